// Package archtest keeps the architecture: its test reads the imports of every
// package and compares them with the tables in rules_test.go.
//
// A new package needs a line there that says what it may import. The test reads
// source files only; it runs no compiler and needs no network.
package archtest
