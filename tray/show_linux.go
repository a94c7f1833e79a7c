package tray

import "context"

// show shows the menu until ctx ends, or the bus goes away.
func show(ctx context.Context, b Backend, o Options, quit func()) {
	bus, err := sessionBus()
	if err != nil {
		return
	}
	defer bus.Close()
	t := newTray(b, o, quit)
	m, err := newBusMenu(bus, t.click, o.Log)
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { _ = bus.Close() })
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		t.run(ctx, m, m.opened)
		stop()
	}()
	m.serve()
	stop()
	<-drawn
}
