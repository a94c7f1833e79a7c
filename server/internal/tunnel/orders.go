package tunnel

// orders is what the person, and the sensors, want of Run.
type orders struct {
	paused bool
	retry  bool // try now, whatever stood in the way
	doubt  bool // the network may have changed: try now, or see whether the line is alive
}

// Pause closes the tunnel until [Keeper.Resume]. Requests in progress have five
// seconds to end.
func (k *Keeper) Pause() { k.order(func(o *orders) { o.paused = true }) }

// Resume opens it again.
func (k *Keeper) Resume() { k.order(func(o *orders) { o.paused, o.retry = false, true }) }

// Retry opens the tunnel now, if it is not open, also after an error that stopped
// all attempts.
func (k *Keeper) Retry() { k.order(func(o *orders) { o.retry = true }) }

// Doubt says that the network may have changed.
func (k *Keeper) Doubt() { k.order(func(o *orders) { o.doubt = true }) }

func (k *Keeper) order(change func(*orders)) {
	k.mu.Lock()
	change(&k.orders)
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// peek returns the orders; who acts on them takes them.
func (k *Keeper) peek() orders {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.orders
}

// take returns the orders and forgets those that are carried out once.
func (k *Keeper) take() orders {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.orders
	k.orders.retry, k.orders.doubt = false, false
	return o
}
