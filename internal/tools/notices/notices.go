package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"

	"ferryman/internal/tools/deps"
)

const heading = `Ferryman is under the Apache License 2.0, in the file LICENSE. Its binary is linked from the
modules below, for one platform or another; their licences follow the table. The sources of
those under the MPL-2.0, unchanged, are what their authors publish under the path and version
here. The pages of swaggest/swgui are Swagger UI, under the Apache License 2.0.

Made by "make licences".

`

// part is something that is linked in.
type part struct {
	name, version string
	licence       deps.Licence
}

// write writes the licences of what the package main at pkg is linked from.
func write(ctx context.Context, w io.Writer, pkg string) error {
	parts, err := linked(ctx, pkg)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(heading)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, p := range parts {
		fmt.Fprintln(table, strings.TrimRight(p.name+"\t"+strings.Join(p.licence.IDs, ", ")+"\t"+p.version, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	writeTexts(&b, parts)
	_, err = w.Write(b.Bytes())
	return err
}

// linked gives Go itself and the modules.
func linked(ctx context.Context, pkg string) ([]part, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	licence, err := deps.LicenceOf(strings.TrimSpace(string(out)))
	if err != nil {
		return nil, err
	}
	parts := []part{{"Go's standard library", "", licence}}
	modules, err := deps.Linked(ctx, pkg, deps.Platforms())
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		licence, err := deps.LicenceOf(m.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		parts = append(parts, part{m.Path, m.Version, licence})
	}
	return parts, nil
}

// writeTexts writes each text once, below the names of whom it is from.
func writeTexts(b *bytes.Buffer, parts []part) {
	var texts []string
	of := map[string][]string{}
	for _, p := range parts {
		for _, text := range p.licence.Texts {
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
			of[text] = append(of[text], p.name)
		}
	}
	for _, text := range texts {
		fmt.Fprintf(b, "\n%s\n%s\n\n%s", strings.Repeat("=", 79), strings.Join(of[text], "\n"), text)
	}
}
