package plugbustest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// blocks are the parts of a page that stand between fences of a language.
func blocks(t *testing.T, path, language string) []string {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		found = append(found, block[1])
	}
	return found
}

// The code of the README is that of plugins that work: the first two blocks are one and its test, and the next two are.
func TestThePluginsOfTheReadmeAndTheirTestsWorkAsTheyStand(t *testing.T) {
	sdk, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	code, module := blocks(t, "../README.md", "go"), blocks(t, "../README.md", "text")
	if len(code) != 4 || len(module) != 1 {
		t.Fatalf("%d blocks of Go and %d modules; 4 and 1 are expected", len(code), len(module))
	}
	const place = "../plugbus/plugin-sdk/go"
	if !strings.Contains(module[0], place) {
		t.Fatalf("the module does not name %s", place)
	}
	mod := strings.Replace(module[0], place, sdk, 1)
	works(t, mod, code[0], code[1], "TestItGreets")
	works(t, mod, code[2], code[3], "TestOrdersArePriced")
}

// works runs the test of a plugin.
func works(t *testing.T, mod, plugin, test, name string) {
	t.Helper()
	var imports strings.Builder
	for _, name := range []string{"plugbus", "plugbus/fetch", "plugbus/plugbustest"} {
		if strings.Contains(test, filepath.Base(name)+".") {
			fmt.Fprintf(&imports, "\t%q\n", name)
		}
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"plugin.go":      plugin,
		"plugin_test.go": "package main\n\nimport (\n\t\"testing\"\n\n" + imports.String() + ")\n\n" + test,
		"go.mod":         mod,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(runtime.GOROOT(), "bin", "go")
	command := exec.Command(program, "test", "-count=1", "-v", "./...")
	command.Dir = folder
	said, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "--- PASS: "+name) {
		t.Fatalf("%v\n%s", err, said)
	}
}

// What a newcomer sees first is what stands here.
func TestTheReadmeOfTheRepositoryHasTheSamePlugin(t *testing.T) {
	const page = "../../../README.md"
	if _, err := os.Stat(page); err != nil {
		t.Skip("the SDK is not in its repository")
	}
	for _, block := range blocks(t, page, "go") {
		if !strings.Contains(strings.Join(blocks(t, "../README.md", "go"), "\n"), block) {
			t.Errorf("not in the SDK's README:\n%s", block)
		}
	}
}
