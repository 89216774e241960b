// Package soak runs the built binary for an hour under a steady load and looks from
// outside whether anything grows that should not, or is lost or comes twice. Without
// a flag it does so for a few seconds, to show that it works; "make soak" writes
// docs/soak.md.
package soak
