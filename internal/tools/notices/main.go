// Command notices prints the licences of everything that Ferryman's binary is linked
// from, for the file THIRD_PARTY_LICENSES. It fails if one is unknown or forbids that.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	if err := write(context.Background(), os.Stdout, "./cmd/ferryman"); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}
