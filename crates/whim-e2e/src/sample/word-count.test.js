import assert from "node:assert/strict";
import { test } from "node:test";
import { wordCount } from "../src/word-count.js";

test("words are counted, however they are spaced", () => {
  assert.equal(wordCount("the quick  brown\nfox"), 4);
});

test("a text without words has none", () => {
  assert.equal(wordCount(" 1, 2, 3!"), 0);
});
