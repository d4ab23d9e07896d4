// Fails if a page's first load needs more than 200 KB of compressed script. Reads the manifest of `npm run build`.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 200 * 1000;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

/** The scripts that the browser loads before it can show the module `key`. */
function closure(key, scripts = new Set()) {
  const entry = manifest[key];
  if (!entry || scripts.has(entry.file)) return scripts;
  scripts.add(entry.file);
  for (const imported of entry.imports ?? []) closure(imported, scripts);
  return scripts;
}

const compressed = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
const pages = Object.keys(manifest).filter((key) => /^src\/pages\/.*Page\.tsx$/.test(key));
if (pages.length === 0) throw new Error("the manifest lists no page; run `npm run build` first");

let failed = false;
for (const page of pages) {
  const scripts = closure(page, closure("index.html"));
  const bytes = [...scripts].reduce((sum, file) => sum + compressed(file), 0);
  failed ||= bytes > LIMIT_BYTES;
  const verdict = bytes > LIMIT_BYTES ? "  TOO LARGE" : "";
  process.stdout.write(`${(bytes / 1000).toFixed(1).padStart(7)} KB  ${page}${verdict}\n`);
}
process.stdout.write(`  limit ${LIMIT_BYTES / 1000} KB of script, gzip\n`);
process.exitCode = failed ? 1 : 0;
