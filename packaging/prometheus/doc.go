// Package prometheus is the alert rules for memvip, beside their tests: memvip.rules.yml is what is installed,
// memvip.rules_test.yml and memvip.rules_long_test.yml are for promtool. The dashboard is in packaging/grafana.
//
// There is no code here but tests: they hold rules and dashboard to the metrics that an agent tells, run promtool, and
// demand of every alert that it fires for its case and not for the one beside it.
package prometheus
