// Package witness watches Ferryman from outside while it is treated badly: it makes
// calls and writes down what was acknowledged, and stands where messages and rows
// come from and go to. It shares no code with Ferryman, not even its simulators', so
// that a mistake of the one cannot hide one of the other.
package witness
