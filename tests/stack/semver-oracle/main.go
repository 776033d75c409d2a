// Command semver-oracle answers what Go makes of a text, so that the differential tests can
// compare: Masterminds/semver for ranges, the standard library for globs and regular expressions.
//
// It reads a question a line, fields separated by tabs, and answers each with a line:
//
//	semver   CONSTRAINT VERSION        ok true|ok false|error-constraint|error-version
//	compare  VERSION    VERSION        ok -1|ok 0|ok 1|error-version
//	glob     PATTERN    TEXT           ok true|ok false|error-pattern
//	regexp   PATTERN    TEXT           ok true|ok false|error-pattern
//	expand   PATTERN    TEMPLATE TEXT  ok VALUE|no-match|error-pattern
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		fmt.Fprintln(out, answer(strings.Split(in.Text(), "\t")))
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(question []string) string {
	switch {
	case question[0] == "semver" && len(question) == 3:
		return checkConstraint(question[1], question[2])
	case question[0] == "compare" && len(question) == 3:
		return compareVersions(question[1], question[2])
	case question[0] == "glob" && len(question) == 3:
		return matchGlob(question[1], question[2])
	case question[0] == "regexp" && len(question) == 3:
		return matchRegexp(question[1], question[2])
	case question[0] == "expand" && len(question) == 4:
		return expand(question[1], question[2], question[3])
	default:
		return "error-question"
	}
}

func checkConstraint(constraint, version string) string {
	parsed, err := semver.NewConstraint(constraint)
	if err != nil {
		return "error-constraint"
	}
	v, err := semver.NewVersion(version)
	if err != nil {
		return "error-version"
	}
	return fmt.Sprint("ok ", parsed.Check(v))
}

func compareVersions(left, right string) string {
	l, err := semver.NewVersion(left)
	if err != nil {
		return "error-version"
	}
	r, err := semver.NewVersion(right)
	if err != nil {
		return "error-version"
	}
	return fmt.Sprint("ok ", l.Compare(r))
}

// matchGlob looks for a bad part wherever it is: Match itself stops at the first mismatch.
func matchGlob(pattern, text string) string {
	matched, err := filepath.Match(pattern, text)
	if err != nil {
		return "error-pattern"
	}
	return fmt.Sprint("ok ", matched)
}

func matchRegexp(pattern, text string) string {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return "error-pattern"
	}
	return fmt.Sprint("ok ", compiled.MatchString(text))
}

func expand(pattern, template, text string) string {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return "error-pattern"
	}
	match := compiled.FindStringSubmatchIndex(text)
	if match == nil {
		return "no-match"
	}
	return "ok " + string(compiled.ExpandString(nil, template, text, match))
}
