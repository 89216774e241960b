// Package docs tests the documents: it runs the commands that they show, on the built
// binary, and compares what these print with what the documents show.
package docs
