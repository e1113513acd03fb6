// Fills a BullMQ queue and drains it; prints one line of JSON. Called by ff_bench, which owns the Valkey.
//
//   node drain.mjs SOCKET JOBS PROCESSES CONCURRENCY keep|remove|limited|prioritized
//
// The clock runs from the word to start until the last job is completed, acknowledged by Valkey. Valkey CPU is that of its
// main thread over the same time, client CPU that of all worker processes.
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Queue, Worker } from 'bullmq';
import IORedis from 'ioredis';

const require = createRequire(import.meta.url);
const queueName = 'bench';
const batch = 1000;
const [socket, jobsText, processesText, concurrencyText, mode] = process.argv.slice(2);
const jobs = Number(jobsText), processes = Number(processesText), concurrency = Number(concurrencyText);
const priorities = 10;
let turn = 0;
const keep = mode !== 'remove';
// Far above any rate reached here: what it costs to ask.
const limiter = mode === 'limited' ? { max: 1e6, duration: 1000 } : undefined;

function connect() {
  return new IORedis({ path: socket, maxRetriesPerRequest: null });
}

// A worker process: ready when connected, starts on a word, tells how far it is.
async function work() {
  const worker = new Worker(queueName, async () => {}, { connection: connect(), concurrency, autorun: false, limiter });
  let completed = 0, told = 0, cpu;
  worker.on('completed', () => { ++completed; });
  worker.on('error', (error) => { console.error(error); process.exit(1); });
  await worker.waitUntilReady();
  process.on('message', async (word) => {
    if (word === 'go') {
      cpu = process.cpuUsage();
      worker.run();
      setInterval(() => {
        if (completed === told) return;
        told = completed;
        process.send({ completed, at: Date.now(), cpu: process.cpuUsage(cpu) });
      }, 2);
    } else {
      await worker.close();
      process.exit(0);
    }
  });
  process.send('ready');
}

function valkeyCpuUs(info) {
  const field = (name) => Number(info.match(new RegExp(`${name}:([0-9.]+)`))[1]);
  return (field('used_cpu_sys_main_thread') + field('used_cpu_user_main_thread')) * 1e6;
}

async function main() {
  const connection = connect();
  const queue = new Queue(queueName, { connection });
  const data = { p: 'x'.repeat(100) };
  for (let done = 0; done < jobs; done += batch) {
    const some = Math.min(batch, jobs - done);
    await queue.addBulk(Array.from({ length: some }, () => ({
      name: 'noop', data,
      opts: {
        removeOnComplete: !keep, removeOnFail: false,
        ...(mode === 'prioritized' ? { priority: 1 + turn++ % priorities } : {}),
      },
    })));
  }

  const workers = Array.from({ length: processes }, () =>
    fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), 'worker'], { serialization: 'advanced' }));
  await Promise.all(workers.map((worker) => new Promise((ready) => worker.once('message', ready))));

  const before = valkeyCpuUs(await connection.info('cpu'));
  const start = Date.now();
  const latest = workers.map(() => ({ completed: 0, at: start, cpu: { user: 0, system: 0 } }));
  await new Promise((all, failed) => {
    workers.forEach((worker, i) => {
      worker.on('message', (message) => {
        latest[i] = message;
        if (latest.reduce((sum, one) => sum + one.completed, 0) >= jobs) all();
      });
      worker.on('exit', (code) => failed(new Error(`a worker ended with ${code}`)));
      worker.send('go');
    });
  });
  const after = valkeyCpuUs(await connection.info('cpu'));
  const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'failed', 'completed', 'prioritized');
  const completed = latest.reduce((sum, one) => sum + one.completed, 0);
  const left = counts.wait + counts.active + counts.delayed + counts.failed + counts.prioritized;
  console.log(JSON.stringify({
    seconds: (Math.max(...latest.map((one) => one.at)) - start) / 1000,
    valkey_us: after - before,
    client_us: latest.reduce((sum, one) => sum + one.cpu.user + one.cpu.system, 0),
    ended: keep ? counts.completed : completed,
    left,
    version: require('bullmq/package.json').version,
    node: process.version,
  }));
  for (const worker of workers) {
    worker.removeAllListeners('exit');
    worker.send('end');
  }
  await queue.close();
  connection.disconnect();
}

await (process.argv[7] === 'worker' ? work() : main());
