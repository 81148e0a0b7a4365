//go:build tools

// The Go programs that check the chart, pinned by go.mod: ct (chart-testing) and helm-docs.
package tools

import (
	_ "github.com/helm/chart-testing/v3/ct"
	_ "github.com/norwoodj/helm-docs/cmd/helm-docs"
)
