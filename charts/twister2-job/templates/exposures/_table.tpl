{{- /*
The table of exposures, the ways in from outside the cluster. An exposure is a block of values, a row here and a folder,
all of one name. NOTES, NetworkPolicy, validation and `helm test` ask for what is its own by the templates
twister2-job.NAME.WHAT of its folder; each is there, if only empty, so that none is forgotten:

prepare   sets in its row `ports`, the exposed ones, and what else its files share
counts    problems of numbers of things that are made; the rules after these make lists of them
rules     its other problems
nodePorts claims its fixed node ports; arguments: dict "root" $ "claims" CLAIMS, see _rules.tpl
policy    its rules in the job's NetworkPolicy, as list items
target    sets what `helm test` connects to; arguments: dict "root" $ "target" DICT
notes     its part of NOTES

All but `prepare` are asked for only if it is enabled. Columns of a row:
names     how names of its objects go on after the job's, as a regular expression
kinds     the kind of the entries of its lists and maps, for --skip-schema-validation
needing   its values that have no effect unless it is enabled
byPort    its maps whose keys are exposed ports

Argument: the dict to fill.
*/}}
{{- define "twister2-job.exposures" -}}
{{- $_ := set . "nodePort" (dict
  "names" "-nodeport"
  "kinds" (dict "ports" "string")
  "needing" (list "port" "ports" "nodePorts")
  "byPort" (list "nodePorts")) }}
{{- $_ := set . "perWorker" (dict
  "names" "-perworker|-w-[0-9]+"
  "kinds" (dict "ports" "string" "overrides" "map")
  "needing" (list "ports" "count" "nodePortBase" "servicePortBase" "hostTemplate" "advertisedPortBase" "overrides")
  "byPort" (list "advertisedPortBase" "nodePortBase" "servicePortBase")) }}
{{- end }}

{{- /* Sets the rows' `values` and what else is in them, and .Job.exposed, the rows of those that are enabled. */}}
{{- define "twister2-job.expose" -}}
{{- $_ := set .Job "exposed" dict }}
{{- range $name, $row := .Job.exposures }}
{{- $_ := set $row "values" (index $.Values $name) }}
{{- include (printf "twister2-job.%s.prepare" $name) $ }}
{{- if $row.values.enabled }}
{{- $_ := set $.Job.exposed $name $row }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
Sets `ports` of a row: those that `ports` of its values names, in its order, or all. A Twister2 job's worker port is not
among them while there are others: strangers who connect to it can end the worker. Arguments: dict "root" $ "row" ROW
*/}}
{{- define "twister2-job.exposedPorts" -}}
{{- $all := .root.Job.ports }}
{{- $ports := $all }}
{{- if .row.values.ports }}
{{- $ports = list }}
{{- range $name := .row.values.ports }}
{{- range $all }}
{{- if eq .name (toString $name) }}
{{- $ports = append $ports . }}
{{- end }}
{{- end }}
{{- end }}
{{- else if and (gt (len $all) 1) (eq .root.Job.mode "twister2") }}
{{- $ports = rest $all }}
{{- end }}
{{- $_ := set .row "ports" $ports }}
{{- end }}

{{- /*
Sets the values of one key, labels or annotations, of all exposures and of their overrides, by their paths.
Arguments: dict "root" $ "key" KEY "into" DICT
*/}}
{{- define "twister2-job.exposedMaps" -}}
{{- range $name, $row := .root.Job.exposures }}
{{- $_ := set $.into (printf "%s.%s" $name $.key) (get $row.values $.key | default dict) }}
{{- range $id, $own := get $row.values "overrides" | default dict }}
{{- $_ := set $.into (printf "%s.overrides.%s.%s" $name $id $.key) (get $own $.key | default dict) }}
{{- end }}
{{- end }}
{{- end }}
