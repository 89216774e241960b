// Package packages tests the packages for Linux distributions: it installs the deb on a
// small Debian system that runs, upgrades, removes and purges it, and looks into the rpm.
package packages
