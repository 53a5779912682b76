"""The API: requests, answers, addresses, and the OpenAPI document made of them."""
