//go:build windows || (darwin && cgo)

package tray

import (
	"context"
	"log"
	"log/slog"
	"runtime"
	"sync"

	"fyne.io/systray"

	"github.com/drawbridge-app/drawbridge/assets"
)

// show shows the menu until ctx ends, or the icon is taken away. The library
// under it can be used once in a process.
func show(ctx context.Context, b Backend, o Options, quit func()) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// The library prints through the one global logger.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug).Writer())
	if !awaitPanel(ctx, o.Log) {
		return
	}
	t := newTray(b, o, quit)
	var running sync.WaitGroup
	ready := func() {
		running.Go(func() {
			defer stop()
			t.run(ctx, &menu{click: t.click}, systray.TrayOpenedCh)
		})
	}
	context.AfterFunc(ctx, systray.Quit)
	systray.Run(ready, nil)
	stop()
	running.Wait()
}

// menu is the menu of the tray library. Its rows are made once and then only
// shown, hidden and named anew: a removed one looks as if it had been clicked.
type menu struct {
	click   func(action)
	icon    assets.IconState
	tooltip string
	items   []*item
}

// item is a row that knows what the panel shows of it.
type item struct {
	*systray.MenuItem // nil: a separator
	shown             row
	items             []*item
}

func (m *menu) draw(v view) {
	if m.icon != v.Icon {
		m.icon = v.Icon
		systray.SetTemplateIcon(assets.TemplateIcon(v.Icon), assets.Icon(v.Icon))
	}
	if m.tooltip != v.Tooltip {
		m.tooltip = v.Tooltip
		systray.SetTooltip(v.Tooltip)
	}
	if m.items == nil {
		m.items = m.add(nil, v.Rows)
	}
	refresh(m.items, v.Rows)
}

// add makes rows below parent; nil is the menu. All are shown at first: Windows
// gives no submenu to a row that is hidden.
func (m *menu) add(parent *item, rows []row) []*item {
	items := make([]*item, len(rows))
	for i, r := range rows {
		items[i] = &item{shown: row{Title: "-"}}
		switch {
		case r.separator:
			systray.AddSeparator()
			continue
		case parent != nil:
			items[i].MenuItem = parent.AddSubMenuItem("-", "")
		case r.box:
			items[i].MenuItem = systray.AddMenuItemCheckbox("-", "", false)
		default:
			items[i].MenuItem = systray.AddMenuItem("-", "")
		}
		items[i].items = m.add(items[i], r.rows)
		go func() {
			for range items[i].ClickedCh {
				m.click(r.does)
			}
		}()
	}
	return items
}

// refresh brings items to what rows say. A hidden row is let be: on Windows any
// change shows it.
func refresh(items []*item, rows []row) {
	for i, it := range items {
		r, was := rows[i], it.shown
		if r.separator {
			continue
		}
		refresh(it.items, r.rows)
		if r.Title == "" {
			if was.Title != "" {
				it.Hide()
			}
			it.shown = row{grey: was.grey, checked: was.checked}
			continue
		}
		if r.Title != was.Title {
			it.SetTitle(escape(r.Title, runtime.GOOS))
		}
		if was.Title == "" {
			it.Show()
		}
		switch {
		case r.grey && !was.grey:
			it.Disable()
		case !r.grey && was.grey:
			it.Enable()
		}
		switch {
		case r.checked && !was.checked:
			it.Check()
		case !r.checked && was.checked:
			it.Uncheck()
		}
		it.shown = r
	}
}
