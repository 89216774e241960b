// Package chaos treats nodes of Ferryman and their database badly while they work, in
// ways and at instants that a seed chooses, and looks from outside whether all that
// was acknowledged is there: see make chaos.
package chaos
