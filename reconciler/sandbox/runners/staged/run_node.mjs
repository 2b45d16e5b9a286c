// Runs script.mjs beside it and reports what it returned. Staged into a sandbox; the header (JSON: token, context,
// packages) comes on standard input.
import { existsSync, ftruncateSync, readFileSync, symlinkSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const exit = process.exit.bind(process);
const stringify = JSON.stringify.bind(JSON);
const header = JSON.parse(readFileSync(0, "utf8"));
try {
  ftruncateSync(0, 0); // where the header came in a file, others hold that file too: PID 1, for one
} catch {}
const keep = 9; // the shell that started this put standard error there as well: a script may close its own

const packages = header.packages.find((path) => existsSync(path));
if (packages) symlinkSync(packages, new URL("../node_modules", import.meta.url));

// JSON has no form for these; what they were must not silently become null.
const plain = (key, value) => {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "function" || typeof value === "symbol") return String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
};

const write = (handle, text) => {
  let data = Buffer.from(text);
  while (data.length) {
    try {
      data = data.subarray(writeSync(handle, data));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
};

const run = async () => {
  globalThis.context = header.context;
  globalThis.require = createRequire(new URL("./script.mjs", import.meta.url));
  const found = (await import("./script.mjs")).default;
  const result = await (typeof found === "function" ? found(header.context) : found);
  if (typeof result === "number" && !Number.isFinite(result)) throw new Error(`the script returned ${result}`);
  return result;
};

let frame;
let code = 0;
try {
  const result = await run();
  frame = stringify({ ok: true, result }, plain);
} catch (error) {
  code = 1;
  const isError = typeof error === "object" && error !== null && "message" in error;
  const text = isError ? String(error.message) || String(error.name) : String(error);
  frame = stringify({ ok: false, error: text, stack: isError ? String(error.stack ?? "") : "" });
}
const [start, end] = ["START", "END"].map((mark) => `##__CS_SCRIPT_RESULT_${header.token}_${mark}__##`);
try {
  write(keep, start + frame + end);
} catch {
  write(2, start + frame + end);
}
exit(code);
