package tray

// row is one row of the menu, in plain text.
type row struct {
	title     string // "": the row is not shown
	does      action // what a click on it does
	grey      bool   // it takes no click
	box       bool   // it is a check box
	checked   bool
	separator bool
	rows      []row // its submenu
}

// grey is a row that only says something.
func grey(title string) row { return row{title: title, grey: true} }

// rowsOf are the rows of the menu. Their number, order and nesting are always
// the same, and what is not there at the moment is not shown: a panel that has
// read the menu once need only hear what has changed.
func rowsOf(v view, s switches) []row {
	clients := make([]row, 0, len(connections)+1)
	for i, c := range connections {
		clients = append(clients, row{title: c.Client, does: action{kind: connect, slot: i}})
	}
	clients = append(clients, row{title: "Show QR code", does: action{kind: showQR}})
	copyTitle := "Copy MCP URL"
	if s.copied {
		copyTitle = "✓ Copied"
	}
	list := []row{
		{title: v.Waiting, does: action{kind: openConsole, page: approvalsPage}},
		{title: v.Headline, does: action{kind: cure}},
	}
	for i := range reasonSlots {
		list = append(list, row{title: at(v.Reasons, i), does: action{kind: cure}})
	}
	list = append(list,
		row{title: v.Cure, does: action{kind: cure}},
		row{title: v.URL, does: action{kind: copyURL}},
		row{title: copyTitle, does: action{kind: copyURL}},
		row{title: "Connect a client", rows: clients},
		row{separator: true},
		row{title: "Sessions", rows: sessionRows(v)},
		row{title: "Recent events", rows: eventRows(v)},
		row{separator: true},
		row{title: v.Pause, does: action{kind: togglePause}, grey: !v.CanPause},
		row{title: "Open console…", does: action{kind: openConsole, page: "/"}},
		row{title: "Check setup…", does: action{kind: openConsole, page: "/doctor"}},
		row{title: "Notifications", does: action{kind: toggleQuiet}, box: true, checked: !s.quiet})
	login := row{does: action{kind: toggleLogin}, box: true, checked: s.login}
	if s.canLogin {
		login.title = "Start at login"
	}
	about := make([]row, aboutSlots)
	for i := range about {
		about[i] = grey(at(v.About, i))
	}
	return append(list, login, row{title: "About", rows: about}, row{title: "Quit", does: action{kind: quit}})
}

func sessionRows(v view) []row {
	var list []row
	for i := range sessionSlots {
		var s sessionView
		if i < len(v.Sessions) {
			s = v.Sessions[i]
		}
		list = append(list, row{title: s.Label, rows: []row{
			grey(at(s.Facts, 0)), grey(at(s.Facts, 1)), grey(at(s.Facts, 2)),
			{title: "Details…", does: action{kind: openConsole, page: "/sessions"}},
			{title: "Revoke", does: action{kind: revokeSlot, slot: i}},
		}})
	}
	nobody, all := grey(""), row{rows: []row{{title: v.RevokeAll, does: action{kind: revokeAll}}}}
	if len(v.Sessions) == 0 {
		nobody.title = "Nobody is signed in"
	} else {
		all.title = "Revoke all sessions…"
	}
	return append(list, nobody, row{title: v.MoreSessions, does: action{kind: openConsole, page: "/sessions"}}, all)
}

func eventRows(v view) []row {
	var list []row
	for i := range eventSlots {
		list = append(list, row{title: at(v.Events, i), does: action{kind: openConsole, page: "/activity"}})
	}
	if len(v.Events) == 0 {
		return append(list, grey("Nothing yet"))
	}
	return append(list, grey(""))
}

// at returns the text of list at i, or "".
func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
