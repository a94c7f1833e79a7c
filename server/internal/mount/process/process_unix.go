//go:build unix

package process

import (
	"os"
	"os/exec"
)

// passLifeline hands the lifeline's reading end to the keeper, and keeps the
// signals of our terminal from it.
func passLifeline(cmd *exec.Cmd, lifeline *os.File) (handle string) {
	cmd.ExtraFiles = []*os.File{lifeline}
	cmd.SysProcAttr = keeperAttr()
	return "3"
}
