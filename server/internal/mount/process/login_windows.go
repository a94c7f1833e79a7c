package process

// loginPath is nothing here: programs get the same PATH however they are started.
func loginPath() string { return "" }
