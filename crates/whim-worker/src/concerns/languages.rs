//! How tests, assertions and skipped tests look in a line of each language.

use std::sync::LazyLock;

use regex::Regex;

/// The patterns of one language.
pub(super) struct Language {
    extensions: &'static [&'static str],
    /// Declares a test.
    test: Pattern,
    /// Keeps a test from running.
    skip: Pattern,
    assertion: Pattern,
    /// Tests are among the sources, so that every file of the language may have some.
    pub(super) has_tests_anywhere: bool,
}

/// Compiled at its first use. A pattern that does not compile matches nothing; a test compiles all of them.
struct Pattern(LazyLock<Option<Regex>>);

impl Pattern {
    fn matches(&self, line: &str) -> bool {
        self.0.as_ref().is_some_and(|pattern| pattern.is_match(line))
    }
}

macro_rules! pattern {
    ($text:literal) => {
        Pattern(LazyLock::new(|| Regex::new($text).ok()))
    };
}

impl Language {
    /// The language of a file, by its extension.
    pub(super) fn of(path: &str) -> Option<&'static Self> {
        let (_, extension) = path.rsplit_once('.')?;
        LANGUAGES
            .iter()
            .find(|language| language.extensions.contains(&extension))
    }

    pub(super) fn declares_test(&self, line: &str) -> bool {
        self.test.matches(line)
    }

    pub(super) fn skips_test(&self, line: &str) -> bool {
        self.skip.matches(line)
    }

    pub(super) fn asserts(&self, line: &str) -> bool {
        self.assertion.matches(line)
    }
}

static LANGUAGES: [Language; 11] = [
    Language {
        extensions: &[
            "js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte",
        ],
        test: pattern!(
            r"^\s*(?:it|test)(?:\.(?:skip|only|todo|fixme|fails|failing|concurrent|each)\b)*(?:\([^)]*\))?\s*[(`]"
        ),
        skip: pattern!(
            r"\b(?:it|test|describe|context|suite)\.(?:skip|todo|only|fixme)\b|^\s*(?:xit|xtest|xdescribe|fit|fdescribe)\s*\("
        ),
        assertion: pattern!(r"\bexpect\s*\(|\bassert(?:\.\w+)*\s*\(|\.should\b"),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["py"],
        test: pattern!(r"^\s*(?:async\s+)?def test\w*\s*\("),
        skip: pattern!(
            r"@(?:pytest\.mark|unittest)\.(?:skip\w*|xfail|expectedFailure)|\bpytest\.(?:skip|xfail)\(|\.skipTest\("
        ),
        assertion: pattern!(r"^\s*assert\b|\bself\.(?:assert|fail)\w*\(|\bpytest\.raises\("),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["rs"],
        test: pattern!(r"^\s*#\[(?:\w+::)*test\b"),
        skip: pattern!(r"^\s*#\[ignore\b"),
        assertion: pattern!(r"\b(?:debug_)?assert\w*!"),
        has_tests_anywhere: true,
    },
    Language {
        extensions: &["go"],
        test: pattern!(r"^func (?:Test|Fuzz|Example)\w*\("),
        skip: pattern!(r"\b[tbf]\.(?:Skip|SkipNow|Skipf)\("),
        assertion: pattern!(r"\bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(|\b(?:assert|require)\.\w+\("),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["java", "kt", "kts", "scala", "groovy"],
        test: pattern!(r"@(?:Test|ParameterizedTest|RepeatedTest|Property)\b"),
        skip: pattern!(r"@(?:Disabled|Ignore)\w*\b"),
        assertion: pattern!(r"\b(?:assert\w*|verify|fail)\s*\("),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["cs", "fs"],
        test: pattern!(r"\[(?:Fact|Theory|Test|TestMethod|TestCase)\b"),
        skip: pattern!(r"\bSkip\s*=|\[Ignore\b"),
        assertion: pattern!(r"\bAssert\.\w+|\.Should\w*\("),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["rb"],
        test: pattern!(r#"^\s*(?:it|specify|test)\s+['"]|^\s*def test_\w+"#),
        skip: pattern!(r"^\s*(?:xit|xdescribe|xcontext|skip|pending)\b"),
        assertion: pattern!(r"\bexpect\b|\b(?:assert|refute)\w*\b|\.must_\w+"),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["php"],
        test: pattern!(r"\bfunction test\w+\s*\(|#\[Test\]|^\s*\*\s*@test\b|^\s*(?:it|test)\("),
        skip: pattern!(r"\bmarkTest(?:Skipped|Incomplete)\b|->skip\("),
        assertion: pattern!(r"(?:->|::)assert\w+\(|\bexpectException\w*\(|\bexpect\("),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["swift"],
        test: pattern!(r"\bfunc test\w*\s*\(|@Test\b"),
        skip: pattern!(r"\bXCTSkip\w*\b|\.disabled\("),
        assertion: pattern!(r"\bXCTAssert\w*\(|#expect\(|#require\("),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["ex", "exs"],
        test: pattern!(r#"^\s*test\s+""#),
        skip: pattern!(r"@(?:module|describe)?tag\s+:?skip\b"),
        assertion: pattern!(r"^\s*(?:assert|refute)\w*\b"),
        has_tests_anywhere: false,
    },
    Language {
        extensions: &["c", "cc", "cpp", "cxx", "h", "hpp"],
        test: pattern!(r"^\s*(?:TEST|TEST_F|TEST_P|TEST_CASE|SCENARIO|BOOST_AUTO_TEST_CASE)\s*\("),
        skip: pattern!(r"\bGTEST_SKIP\b|\bSKIP\s*\(|\(\s*DISABLED_|,\s*DISABLED_"),
        assertion: pattern!(
            r"\b(?:ASSERT|EXPECT|REQUIRE|CHECK|BOOST_(?:CHECK|REQUIRE|TEST))\w*\s*\(|\bassert\s*\("
        ),
        has_tests_anywhere: false,
    },
];

/// Directories and names of files with tests.
static TEST_PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?:^|/)(?:tests?|__tests__|specs?|e2e|testing|androidTest)/",
        r"|(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*_spec|[^/]*[.-](?:test|spec|cy)|[^/]*(?:Test|Tests|Spec|IT))\.\w+$",
        r"|(?:^|/)conftest\.py$",
    ))
    .ok()
});

/// Whether a file has tests, by its path.
pub fn is_test_path(path: &str) -> bool {
    TEST_PATH.as_ref().is_some_and(|pattern| pattern.is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for language in &LANGUAGES {
            for pattern in [&language.test, &language.skip, &language.assertion] {
                assert!(pattern.0.is_some(), "{:?}", language.extensions);
            }
        }
        assert!(TEST_PATH.is_some());
    }

    #[test]
    fn tests_are_recognised_by_their_paths() {
        for path in [
            "tests/it/main.rs",
            "src/__tests__/a.js",
            "a_test.go",
            "test_a.py",
            "pkg/a_test.py",
            "src/a.test.tsx",
            "src/a.spec.ts",
            "src/test/java/ATest.java",
            "Tests/ATests.swift",
            "spec/a_spec.rb",
            "test/a_test.exs",
            "conftest.py",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in [
            "src/latest.js",
            "contest.py",
            "src/attestation/a.go",
            "inspect.rb",
            "Tester.java",
        ] {
            assert!(!is_test_path(path), "{path}");
        }
    }

    #[test]
    fn lines_are_recognised_in_every_language() {
        // Extension, test, skipped test, assertion.
        for (extension, test, skip, assertion) in [
            (
                "ts",
                "  it('adds', async () => {",
                "  it.skip('adds', () => {",
                "    expect(a).toBe(1);",
            ),
            (
                "js",
                "test(\"adds\", () => {",
                "describe.only('a', () => {",
                "  assert.equal(a, 1);",
            ),
            (
                "js",
                "test.each([1])('adds', () => {",
                "xit('adds', () => {",
                "assert(a)",
            ),
            (
                "py",
                "    def test_adds(self):",
                "@pytest.mark.skip(reason='x')",
                "    assert a == 1",
            ),
            (
                "py",
                "async def test_adds():",
                "@unittest.skipIf(True, '')",
                "self.assertEqual(a, 1)",
            ),
            (
                "rs",
                "    #[tokio::test]",
                "    #[ignore = \"slow\"]",
                "    assert_eq!(a, 1);",
            ),
            (
                "go",
                "func TestAdds(t *testing.T) {",
                "\tt.Skip(\"x\")",
                "\t\tt.Errorf(\"x\")",
            ),
            (
                "java",
                "    @Test",
                "    @Disabled(\"x\")",
                "assertThat(a).isEqualTo(1);",
            ),
            (
                "kt",
                "    @ParameterizedTest",
                "    @Ignore",
                "assertEquals(1, a)",
            ),
            ("cs", "[Fact]", "[Fact(Skip = \"x\")]", "Assert.Equal(1, a);"),
            (
                "rb",
                "  it 'adds' do",
                "  xit 'adds' do",
                "    expect(a).to eq(1)",
            ),
            (
                "php",
                "public function testAdds(): void",
                "$this->markTestSkipped();",
                "$this->assertSame(1, $a);",
            ),
            (
                "swift",
                "    func testAdds() {",
                "throw XCTSkip(\"x\")",
                "XCTAssertEqual(a, 1)",
            ),
            ("exs", "  test \"adds\" do", "  @tag :skip", "    assert a == 1"),
            (
                "cpp",
                "TEST_F(Adder, Adds) {",
                "TEST(Adder, DISABLED_Adds) {",
                "EXPECT_EQ(a, 1);",
            ),
        ] {
            let language = Language::of(&format!("a.{extension}")).unwrap();
            assert!(language.declares_test(test), "{test}");
            assert!(language.skips_test(skip), "{skip}");
            assert!(language.asserts(assertion), "{assertion}");
        }
        for (extension, line) in [
            ("ts", "const submit = (value) => {"),
            ("ts", "items.forEach((it) => use(it));"),
            ("ts", "test.beforeEach(async () => {"),
            ("ts", "test.describe('a', () => {"),
            ("php", "mail('user@test.com');"),
            ("py", "def contest_result():"),
            ("rs", "#[cfg(test)]"),
            ("go", "func (t *T) TestHelper() {"),
            ("rb", "  item = 'a'"),
        ] {
            let language = Language::of(&format!("a.{extension}")).unwrap();
            assert!(
                !language.declares_test(line) && !language.skips_test(line),
                "{line}"
            );
        }
    }
}
