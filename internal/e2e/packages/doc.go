// Package packages tests the packages for Linux distributions: it installs the deb and
// then the rpm on a small Debian system that runs, upgrades and removes them.
package packages
