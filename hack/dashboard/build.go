package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// uid is how Grafana and its links know the dashboard.
const uid = "podidentity-operator"

// datasource is the one that the user chooses above the panels.
var datasource = common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}

// build returns a dashboard with the rows, in the classic model, which every version
// of Grafana and of the sidecar of its chart reads.
func build(rows []row) (dashboard.Dashboard, error) { //nolint:staticcheck // the successor needs Grafana 12
	//nolint:staticcheck // the same
	builder := dashboard.NewDashboardBuilder("PodIdentity operator").
		Uid(uid).
		Tags([]string{"aws", "iam", "kubernetes", "podidentity"}).
		Refresh("1m").
		Time("now-6h", "now").
		Timezone(common.TimeZoneBrowser).
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"))
	for _, r := range rows {
		builder.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			builder.WithPanel(p.build())
		}
	}
	return builder.Build()
}

// build returns the panel in Grafana's terms. A row has room for 24 units.
func (p panel) build() cog.Builder[dashboard.Panel] {
	switch p.form {
	case number:
		b := stat.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Height(4).Span(4).Datasource(datasource)
		for _, q := range p.queries {
			b.WithTarget(q.build(true))
		}
		return b
	case list:
		b := bargauge.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Height(8).Span(8).Datasource(datasource).
			Orientation(common.VizOrientationHorizontal)
		for _, q := range p.queries {
			b.WithTarget(q.build(true))
		}
		return b
	default:
		b := timeseries.NewPanelBuilder().Title(p.title).Description(p.description).Unit(p.unit).Height(8).Span(8).Datasource(datasource).Min(0)
		for _, q := range p.queries {
			b.WithTarget(q.build(false))
		}
		return b
	}
}

// build returns the query in Grafana's terms; an instant one asks for the newest value.
func (q query) build(instant bool) *prometheus.DataqueryBuilder {
	b := prometheus.NewDataqueryBuilder().Datasource(datasource).Expr(q.expr).LegendFormat(q.legend)
	if instant {
		return b.Instant()
	}
	return b.Range()
}
