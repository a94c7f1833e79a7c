// Package programs has the programs that people use speak with Drawbridge, as
// they come from npm, without an account: what they want of a language model
// they get from a model of its own. It is big, and a command of its own: programs.sh.
package programs
