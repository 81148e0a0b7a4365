{{- /*
An exposure, a way in from outside, is a block of values, a folder and a row here, all of one name. The folder has each
template twister2-job.NAME.WHAT, if only empty; all but the first two are for when it is enabled:

prepare   sets `ports` in its row, and what else its files share
hint      what it would open, for NOTES; nothing if enabling it is not enough
counts    problems of numbers of things that are made; later rules make lists of these
rules     other problems
nodePorts claims fixed node ports; arguments: dict "root" $ "claims" CLAIMS, see `_rules.tpl` beside this file
policy    list items for the job's NetworkPolicy
target    sets what `helm test` connects to; arguments: dict "root" $ "target" DICT
notes     its part of NOTES

Columns:
names       ends of its objects' names, a regular expression; `prepare` may say it closer, by the ports that there are
namesOf     if there: the same for some of its kinds, by kind
objects     their kinds: "GROUP KIND"
entries     types in lists and maps, for --skip-schema-validation
fields      if there: types of the fields of such maps
needEnabled values without effect unless it is enabled
portNames   lists of names of ports
byPort      maps by exposed ports
anywhere    there if every cluster can do it, so that NOTES suggest it before others
hosts       hosts of its objects by their paths, of which external-dns makes names

Common code reads the values `enabled`, `labels`, `annotations`, `type` and `externalTrafficPolicy`, and by worker ID
`labels`, `annotations` and `nodePorts` in `overrides`.
*/}}
{{- define "twister2-job.exposures" -}}
{{- $kinds := list }}
{{- range list "HTTPRoute" "GRPCRoute" "TLSRoute" "TCPRoute" "UDPRoute" "ListenerSet" }}
{{- $kinds = append $kinds (print "gateway.networking.k8s.io " .) }}
{{- end }}
{{- $fields := dict "port" "float64" "advertisedPort" "float64" }}
{{- range list "group" "kind" "namespace" "name" "sectionName" "route" "host" "hostTemplate" "sectionNameTemplate" }}
{{- $_ := set $fields . "string" }}
{{- end }}
{{- $_ := set . "gateway" (dict
  "names" "-(w-[0-9]+-)?[a-z][-a-z0-9]*"
  "namesOf" (dict "gateway.networking.k8s.io ListenerSet" "-[0-9]+")
  "objects" $kinds
  "entries" (dict "parentRefs" "map" "ports" "map")
  "fields" $fields
  "needEnabled" (list "parentRefs" "ports" "host" "perWorker")
  "portNames" list
  "byPort" list) }}
{{- $_ := set . "ingress" (dict
  "names" "-w-[0-9]+-[a-z0-9-]+"
  "objects" (list "networking.k8s.io Ingress")
  "entries" dict
  "needEnabled" (list "className" "port" "host" "path" "tls" "perWorker")
  "portNames" list
  "byPort" list) }}
{{- $_ := set . "loadBalancer" (dict
  "names" "-loadbalancer"
  "objects" (list " Service")
  "entries" (dict "ports" "string" "sourceRanges" "string")
  "needEnabled" (list "ports" "class" "sourceRanges" "allocateNodePorts" "healthCheckNodePort")
  "portNames" (list "ports")
  "byPort" list) }}
{{- $_ := set . "nodePort" (dict
  "names" "-nodeport"
  "objects" (list " Service")
  "entries" (dict "ports" "string")
  "needEnabled" (list "port" "ports" "nodePorts")
  "portNames" (list "ports")
  "byPort" (list "nodePorts")
  "anywhere" true) }}
{{- $_ := set . "perWorker" (dict
  "names" "-perworker|-w-[0-9]+"
  "objects" (list " Service" "networking.k8s.io NetworkPolicy")
  "entries" (dict "ports" "string" "overrides" "map")
  "fields" (dict "nodePorts" "map" "advertisedHost" "string" "advertisedPort" "float64" "labels" "map" "annotations" "map" "closed" "bool")
  "needEnabled" (list "ports" "count" "nodePortBase" "servicePortBase" "hostTemplate" "advertisedPortBase" "overrides" "loadBalancer")
  "portNames" (list "ports")
  "byPort" (list "advertisedPortBase" "nodePortBase" "servicePortBase")
  "anywhere" true) }}
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
Sets `ports` of a row: those with the names, in their order, or all if there are none. A Twister2 job's worker port is not
among all while there are others: strangers who connect to it can end the worker.
Arguments: dict "root" $ "row" ROW "names" LIST
*/}}
{{- define "twister2-job.exposedPorts" -}}
{{- $all := .root.Job.ports }}
{{- $ports := $all }}
{{- if .names }}
{{- $ports = list }}
{{- range $name := .names }}
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
