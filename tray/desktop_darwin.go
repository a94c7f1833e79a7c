package tray

import (
	"context"
	"errors"
	"os/exec"
)

func openAddress(_ context.Context, address string) error {
	if err := exec.Command("/usr/bin/open", address).Run(); err != nil {
		return errors.New("no program opens it")
	}
	return nil
}
