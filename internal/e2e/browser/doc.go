// Package browser tests the dashboard as people use it: in Chromium, on the built
// binary. It also takes the pictures of the documentation, by "make screenshots".
package browser
