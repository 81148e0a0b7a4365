// Render renders a chart many times in one process: what `helm template` does, without its start.
//
// It is Helm's own library, with the options of `helm template`: the values pass the schema, the templates and the
// sorting of manifests. One request a line on stdin, one answer a line on stdout, both JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"syscall"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/yaml"
)

type request struct {
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
	Values     string `json:"values"` // the text of a values file
	SkipSchema bool   `json:"skipSchema"`
	Objects    bool   `json:"objects"` // parse the manifests too
}

type answer struct {
	Manifest string            `json:"manifest"`          // what `helm template` prints
	Notes    string            `json:"notes"`             // what `helm install` prints
	Objects  []json.RawMessage `json:"objects,omitempty"` // the manifests as the API server reads them
	Faults   []string          `json:"faults,omitempty"`  // manifests that no strict YAML reader takes, with its reason
	Error    string            `json:"error,omitempty"`
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: render CHART KUBERNETES_VERSION MEMORY_IN_MIB")
		os.Exit(2)
	}
	var memory uint64
	if _, err := fmt.Sscan(os.Args[3], &memory); err != nil {
		fail(err)
	}
	// A chart that makes a list of 10^9 workers ends this process and not the machine.
	limit := syscall.Rlimit{Cur: memory << 20, Max: memory << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		fail(err)
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	loaded, err := loader.LoadDir(os.Args[1])
	if err != nil {
		fail(err)
	}
	version, err := common.ParseKubeVersion(os.Args[2])
	if err != nil {
		fail(err)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var asked request
		if err == nil {
			err = json.Unmarshal(line, &asked)
		}
		if err != nil {
			fail(err)
		}
		if err := out.Encode(render(loaded.Raw, version, asked)); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "render:", err)
	os.Exit(1)
}

func render(files []*common.File, version *common.KubeVersion, asked request) (result answer) {
	defer func() {
		if reason := recover(); reason != nil {
			result = answer{Error: fmt.Sprint("panic: ", reason)}
		}
	}()
	// Rendering changes the chart that it is given, so each has its own, read from the same bytes.
	own := make([]*archive.BufferedFile, len(files))
	for i, file := range files {
		own[i] = &archive.BufferedFile{Name: file.Name, Data: file.Data}
	}
	var fresh *chart.Chart
	fresh, err := loader.LoadFiles(own)
	if err != nil {
		return answer{Error: err.Error()}
	}
	values, err := loader.LoadValues(strings.NewReader(asked.Values))
	if err != nil {
		return answer{Error: "values: " + err.Error()}
	}
	client := action.NewInstall(action.NewConfiguration())
	client.DryRunStrategy = action.DryRunClient
	client.ReleaseName = asked.Name
	client.Namespace = asked.Namespace
	client.Replace = true
	client.KubeVersion = version
	client.SkipSchemaValidation = asked.SkipSchema
	found, err := client.RunWithContext(context.Background(), fresh, values)
	if err != nil {
		return answer{Error: err.Error()}
	}
	made, ok := found.(*release.Release)
	if !ok {
		return answer{Error: fmt.Sprintf("Helm returned a %T", found)}
	}
	result.Notes = made.Info.Notes
	var text strings.Builder
	fmt.Fprintln(&text, strings.TrimSpace(made.Manifest))
	for _, hook := range made.Hooks {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	result.Manifest = text.String()
	if asked.Objects {
		parse(&result)
	}
	return result
}

var separator = regexp.MustCompile(`(?m)^---\s*$`)

// parse reads the manifests as kubectl and Helm do, but refuses a key that is there twice.
func parse(result *answer) {
	for _, document := range separator.Split(result.Manifest, -1) {
		content, err := yaml.YAMLToJSONStrict([]byte(document))
		if err != nil {
			result.Faults = append(result.Faults, err.Error()+"\n"+document)
			if content, err = yaml.YAMLToJSON([]byte(document)); err != nil {
				continue
			}
		}
		if string(content) != "null" {
			result.Objects = append(result.Objects, content)
		}
	}
}
