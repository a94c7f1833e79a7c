package store

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// A data folder outside the profile is this person's, the system's and the
// administrators', and so is the state file in it.
func TestFolderIsPrivate(t *testing.T) {
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("Wine keeps Linux's nine mode bits and makes a list up from them; it shuts out others only where a list denies them")
	}
	folder := filepath.Join(t.TempDir(), "elsewhere")
	db, err := Open(filepath.Join(folder, "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	sd, err := windows.GetNamedSecurityInfo(folder, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	list := sd.String()
	for _, entry := range strings.Split(list, "(")[1:] {
		who := strings.TrimSuffix(entry[strings.LastIndex(entry, ";")+1:], ")")
		if who != user.User.Sid.String() && who != "SY" && who != "BA" && who != "LA" {
			t.Errorf("%s may come in: %s", who, list)
		}
	}
}
