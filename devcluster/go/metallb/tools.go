//go:build tools

// What gives load balancers their addresses in the development cluster, pinned by go.mod.
package tools

import (
	_ "go.universe.tf/metallb/controller"
	_ "go.universe.tf/metallb/speaker"
)
