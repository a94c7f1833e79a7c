package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// MakeFolder makes the folder at path if there is none, for this person, the
// system and its administrators alone: the mode that others would go by means
// nothing here, and what stands outside the person's profile is everybody's to
// read. One that was there before stays as its owner has it.
func MakeFolder(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return fmt.Errorf("find who runs this: %w", err)
	}
	// Protected (P): nothing is inherited from above; OICI: by all in it.
	sd, err := windows.SecurityDescriptorFromString("D:P(A;OICI;FA;;;" + user.User.Sid.String() + ")(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)")
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}
