// Command gitops-oracle says what GitOps tools make of an object.
//
// It reads one JSON document a line, {"lua": SCRIPT, "object": OBJECT}, and answers each with a line:
//
//	{"health": STATUS, "message": TEXT, "kstatus": STATUS}
//
// health and message are what the script returns, run with the libraries that Argo CD gives to
// health checks from its ConfigMap (base, package and table), for at most the second that they get
// there. kstatus is what Flux and `kpt` compute; it knows no kind and needs no script.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// longestLine is more than etcd stores of an object.
const longestLine = 8 << 20

type question struct {
	Lua    string                    `json:"lua"`
	Object unstructured.Unstructured `json:"object"`
}

type answer struct {
	Health  string `json:"health"`
	Message string `json:"message"`
	Kstatus string `json:"kstatus"`
}

func main() {
	if err := answerAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answerAll() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, longestLine)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var asked question
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			return err
		}
		health, message, err := health(asked.Lua, asked.Object.Object)
		if err != nil {
			return err
		}
		result, err := status.Compute(&asked.Object)
		if err != nil {
			return err
		}
		if err := out.Encode(answer{health, message, result.Status.String()}); err != nil {
			return err
		}
	}
	return in.Err()
}

// health runs a script with the object as the global `obj`.
func health(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return "", "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	returned, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returns %s and no table", state.Get(-1).Type())
	}
	return text(returned, "status"), text(returned, "message"), nil
}

func text(table *lua.LTable, key string) string {
	value, _ := table.RawGetString(key).(lua.LString)
	return string(value)
}

// value is what Lua sees of a JSON value.
func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.CreateTable(len(from), 0)
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
