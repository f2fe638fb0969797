// Asks a server what tests/languages/README.md says, by grpc-js, and prints what it got as JSON.
"use strict";
const path = require("path");

// build.sh installs the libraries beside what it builds, not beside this file.
const libraries = path.join(process.env.ASOF_LANGUAGES, "js", "node_modules", "@grpc");
const grpc = require(path.join(libraries, "grpc-js"));
const loader = require(path.join(libraries, "proto-loader"));

const PARALLEL_CALLS = 1000;
const PUSHES = 100;
const DRAIN_WORKERS = 16;
const LARGE_ROWS = 1000;
const SLOW_ROWS = 10000;
const CALL_TIMEOUT_MS = 60000;
const MESSAGE_BYTES = 64 << 20;

const definition = loader.loadSync("asof/v1/feature_store.proto", {
  includeDirs: [path.join(__dirname, "..", "..", "..", "proto")],
  longs: String, enums: String, bytes: String, defaults: false,
});
const { FeatureStore } = grpc.loadPackageDefinition(definition).asof.v1;

const patience = () => ({ deadline: Date.now() + CALL_TIMEOUT_MS });
const entities = (rows, key) => [{ key: "k", strings: Array(rows).fill(key) }];

function get(store, request, options = patience(), metadata = new grpc.Metadata()) {
  return new Promise((resolve, reject) =>
    store.getFeatures(request, metadata, options, (failure, answer) => (failure ? reject(failure) : resolve(answer))));
}

// Many rows, each of another moment: more than can be read in a millisecond.
const slow = () => ({
  features: ["things.*"], keys: entities(SLOW_ROWS, "a"), atUs: Array.from({ length: SLOW_ROWS }, (_, i) => 1000000 + i),
});

function push(store) {
  return new Promise((resolve, reject) => {
    const stream = store.pushStream(patience());
    let acknowledged = 0;
    stream.on("data", (answer) => { acknowledged += Number(answer.events); });
    stream.on("error", reject);
    stream.on("end", () => resolve(acknowledged));
    for (let i = 0; i < PUSHES; i++)
      stream.write({ source: "events", json: [Buffer.from(`{"id":"js${i}","at":1100000,"k":"js","i":1}`)] });
    stream.end();
  });
}

function readStream(store) {
  return new Promise((resolve, reject) => {
    const stream = store.getFeaturesStream(
      { features: ["things.i_sum"], keys: entities(SLOW_ROWS, "a"), chunkRows: 1000 }, patience());
    const got = { rows: 0, chunks: 0 };
    stream.on("data", (chunk) => { got.rows += chunk.rows; got.chunks++; });
    stream.on("error", reject);
    stream.on("end", () => resolve(got));
  });
}

const deadline = (store) =>
  get(store, slow(), { deadline: Date.now() + 1 }).then(() => "OK", (failure) => grpc.status[failure.code]);

function cancelled(store) {
  return new Promise((resolve) => {
    const call = store.getFeatures(slow(), (failure) => resolve(failure ? grpc.status[failure.code] : "OK"));
    setTimeout(() => call.cancel(), 2);
  });
}

async function check(store) {
  const answer = await get(store, {
    features: ["things.*"], withEventTimes: true, keys: [{ key: "k", strings: ["a", "ü", "nobody"] }],
  });
  const large = await get(store, { features: ["things.s_last"], keys: entities(LARGE_ROWS, "large") });
  const one = () => get(store, { features: ["things.i_sum"], keys: entities(1, "a") });
  return {
    answer, ...(await readStream(store)), pushed: await push(store),
    deadline: await deadline(store), cancelled: await cancelled(store),
    large: large.columns[0].strings.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0),
    parallel: (await Promise.all(Array.from({ length: PARALLEL_CALLS }, one))).length,
  };
}

async function drain(store, seconds) {
  const until = Date.now() + seconds * 1000;
  const result = { answered: 0, failed: 0, failure: null };
  const metadata = new grpc.Metadata({ waitForReady: true });
  async function work() {
    while (Date.now() < until) {
      try {
        await get(store, { features: ["things.i_sum"], keys: entities(1, "a") }, patience(), metadata);
        result.answered++;
      } catch (failure) {
        result.failed++;
        result.failure = result.failure || String(failure);
      }
    }
  }
  await Promise.all(Array.from({ length: DRAIN_WORKERS }, work));
  return result;
}

async function main() {
  const [verb, address, seconds] = process.argv.slice(2);
  const store = new FeatureStore(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": MESSAGE_BYTES, "grpc.max_send_message_length": MESSAGE_BYTES,
  });
  const result = verb === "drain" ? await drain(store, Number(seconds)) : await check(store);
  console.log(JSON.stringify(result));
  store.close();
}

main().catch((failure) => { console.error(failure); process.exit(1); });
