// Command sbom writes what a binary of Ferryman is made of, as a software bill of
// materials in the form of CycloneDX. It reads that from the binary itself, and the
// licences from the module cache.
//
//	sbom VERSION BINARY FILE
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: sbom VERSION BINARY FILE")
	}
	b, err := billOf(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	text, err := b.encode()
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], text, 0o644) //nolint:gosec // everybody may read it
}
