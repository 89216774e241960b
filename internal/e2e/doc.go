// Package e2e tests Ferryman from outside: it starts the built binary against
// real databases and a simulated upstream, kills it at bad moments, and compares
// what is in the databases with what should be.
package e2e
