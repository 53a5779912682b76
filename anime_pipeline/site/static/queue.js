// @ts-check
/** Faces that wait to be drawn: urgent ones first, several at once, small ones while stage two is on its way. */

/** @typedef {import("./engine.js").Picture} Picture */
/**
 * @typedef {object} Job
 * @property {number} id
 * @property {boolean} urgent
 * @property {{latent: Float32Array, condition: Float32Array}} seed
 * @property {number} times how often it is enlarged
 * @property {number} realism
 * @property {Picture} [small] as stage one has drawn it
 * @property {(picture: Picture) => void} done
 * @property {(error: unknown) => void} failed
 * @property {(small: Picture) => void} [onPreview]
 */

const GOOD_MS = 350; // of one call: others may come in between, and a page is told soon
const MOST_TOGETHER = 8;

/** Draws jobs until there are none. */
export class Queue {
  /**
   * @param {import("./engine.js").Engine} engine started
   * @param {number} pace_ms what one face took last time, 0 if unknown
   * @param {(pace_ms: number) => void} onPace
   */
  constructor(engine, pace_ms, onPace) {
    this.engine = engine;
    this.pace_ms = pace_ms || GOOD_MS;
    this.onPace = onPace;
    /** @type {Job[]} */
    this.jobs = [];
    this.running = false;
  }

  /** @param {...Job} jobs */
  add(...jobs) {
    this.jobs.push(...jobs);
    this.jobs.sort((a, b) => Number(b.urgent) - Number(a.urgent)); // and else as they came
    this.work();
  }

  /** @param {number} id */
  cancel(id) {
    const gone = this.jobs.filter((job) => job.id === id);
    this.leave(gone);
    for (const job of gone) job.failed(new Error("called off"));
  }

  async work() {
    if (this.running) return;
    this.running = true;
    while (this.jobs.length) {
      const batch = await this.next();
      if (!batch.length) continue;
      try {
        await (batch[0].small ? this.finish(batch) : this.begin(batch));
      } catch (error) {
        this.leave(batch);
        for (const job of batch) job.failed(error);
      }
      await new Promise((resolve) => { setTimeout(resolve); }); // what has been called off goes
    }
    this.running = false;
  }

  /** The jobs for one call. @returns {Promise<Job[]>} */
  async next() {
    const together = Math.max(1, Math.min(MOST_TOGETHER, Math.round(GOOD_MS / this.pace_ms)));
    const upscaler = (/** @type {Job} */ job) => this.engine.upscaler(true, job.realism);
    const first = this.jobs.find((job) => !job.small || upscaler(job).ready);
    if (!first) {
      await upscaler(this.jobs[0]).session.catch(() => undefined); // what is wrong with it, `finish` meets
      return this.jobs.slice(0, 1);
    }
    const alike = this.jobs.filter((job) => Boolean(job.small) === Boolean(first.small)
      && job.realism === first.realism && job.times === first.times);
    return alike.slice(0, first.times > 1 && first.small ? 1 : together);
  }

  /** Stage one. @param {Job[]} batch */
  async begin(batch) {
    const pictures = await this.engine.draw(batch.map(({ seed }) => seed));
    batch.forEach((job, i) => { job.small = pictures[i]; });
    const only = batch.filter((job) => !job.times);
    this.leave(only);
    for (const job of only) job.done(/** @type {Picture} */ (job.small));
    for (const job of batch) {
      if (job.times && !this.engine.upscaler(true, job.realism).ready) job.onPreview?.(/** @type {Picture} */ (job.small));
    }
  }

  /** Stage two. @param {Job[]} batch */
  async finish(batch) {
    const session = await this.engine.upscaler(true, batch[0].realism).session;
    const begun = performance.now();
    let pictures = batch.map(({ small }) => /** @type {Picture} */ (small));
    for (let time = 0; time < batch[0].times; time += 1) pictures = await this.engine.enlarge(session, pictures);
    if (batch[0].times === 1) {
      // The newest counts half: the first calls of all are slow.
      this.pace_ms = (this.pace_ms + (performance.now() - begun) / batch.length) / 2;
      this.onPace(this.pace_ms);
    }
    this.leave(batch);
    batch.forEach((job, i) => job.done(pictures[i]));
  }

  /** @param {Job[]} batch */
  leave(batch) {
    this.jobs = this.jobs.filter((job) => !batch.includes(job));
  }
}
