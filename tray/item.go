//go:build !darwin || cgo

package tray

import (
	"runtime"

	"fyne.io/systray"
)

// at returns the text of list at i, or "".
func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// item is a row that knows what the panel shows of it, so that only a change
// costs a message on the bus.
type item struct {
	*systray.MenuItem
	title  string
	hidden bool
}

func top(title string) *item {
	return &item{MenuItem: systray.AddMenuItem(escape(title, runtime.GOOS), ""), title: title}
}

func topCheckbox(title string) *item {
	return &item{MenuItem: systray.AddMenuItemCheckbox(escape(title, runtime.GOOS), "", false), title: title}
}

func (i *item) sub(title string) *item {
	return &item{MenuItem: i.AddSubMenuItem(escape(title, runtime.GOOS), ""), title: title}
}

func (i *item) disable() *item {
	i.Disable()
	return i
}

func (i *item) hide() *item {
	i.show(false)
	return i
}

// set names the row; "" hides it. A row that is not there yet is let be.
func (i *item) set(title string) {
	if i == nil {
		return
	}
	if title != "" && i.title != title {
		i.title = title
		i.SetTitle(escape(title, runtime.GOOS))
	}
	i.show(title != "")
}

func (i *item) show(yes bool) {
	switch {
	case yes && i.hidden:
		i.Show()
	case !yes && !i.hidden:
		i.Hide()
	}
	i.hidden = !yes
}

// check and enable leave a hidden row as it is: on Windows any change shows it.
func (i *item) check(yes bool) {
	switch {
	case i.hidden:
	case yes && !i.Checked():
		i.Check()
	case !yes && i.Checked():
		i.Uncheck()
	}
}

func (i *item) enable(yes bool) {
	switch {
	case i.hidden:
	case yes && i.Disabled():
		i.Enable()
	case !yes && !i.Disabled():
		i.Disable()
	}
}
