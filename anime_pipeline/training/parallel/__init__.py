"""Several hosts that train one run together: they find each other, agree, and notice a lost one."""
