import assert from "node:assert/strict";
import { test } from "node:test";
import { frequentWords } from "../src/frequent-words.js";

test("the most frequent word comes first", () => {
  assert.deepEqual(frequentWords("to be or not to be, to sleep", 2), [["to", 3], ["be", 2]]);
});

test("upper and lower case are one word", () => {
  assert.deepEqual(frequentWords("Fox fox FOX"), [["fox", 3]]);
});
