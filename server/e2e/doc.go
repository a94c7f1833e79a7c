// Package e2e has nothing in it: its folders test Drawbridge by its front door,
// each a theme, all on package rig. Start at README.md.
package e2e
