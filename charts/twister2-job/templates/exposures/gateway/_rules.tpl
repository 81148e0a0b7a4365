{{- /* The rules of `gateway`; see ../_table.tpl and _validate.tpl. */}}

{{- define "twister2-job.gateway.rules" -}}
{{- $gateway := .Values.gateway }}
{{- $ports := .Job.exposures.gateway.ports }}
{{- if not $gateway.parentRefs }}
{{ "gateway.parentRefs: it is empty, so no route would lead anywhere; name your Gateway, as in a route: gateway.parentRefs[0].name" }}
{{- end }}
{{- range $k, $ref := $gateway.parentRefs }}
{{- if not (get $ref "name") }}
{{ printf "gateway.parentRefs[%d].name: it is missing; name your Gateway" $k }}
{{- end }}
{{- end }}
{{- $names := list }}
{{- range .Job.ports }}
{{- $names = append $names .name }}
{{- end }}
{{- range $name, $_ := $gateway.ports }}
{{- if not (has $name $names) }}
{{ printf "gateway.ports.%s: the workers have no port %s; take names out of %s" $name $name (join ", " $names) }}
{{- end }}
{{- end }}
{{- range $ports }}
{{- if not (has .protocol (list "TCP" "UDP")) }}
{{ printf "gateway.ports: port %s is %s, for which there is no route; name the other ports in gateway.ports" .name .protocol }}
{{- else if not (has .route (ternary (list "UDP") (list "HTTP" "GRPC" "TLS" "TCP") (eq .protocol "UDP"))) }}
{{ printf "gateway.ports.%s.route: it is %s, and port %s is %s; set gateway.ports.%s.route=%s or leave it out" .name .route .name .protocol .name (ternary "UDP" "TCP, HTTP, GRPC or TLS" (eq .protocol "UDP")) }}
{{- end }}
{{- end }}
{{- $problems := dict }}
{{- range $name, $base := $gateway.perWorker.listenerSet.portBase }}
{{- $_ := include "twister2-job.typed" (dict "value" $base "kind" "float64" "path" (print "gateway.perWorker.listenerSet.portBase." $name) "problems" $problems) }}
{{- end }}
{{- include "twister2-job.gateway.tlsProblems" (dict "tls" $gateway.perWorker.listenerSet.tls "problems" $problems) }}
{{- include "twister2-job.problems" $problems }}
{{- if not (or $gateway.shared $gateway.perWorker.enabled) }}
{{ "gateway.shared: it is false, and so is gateway.perWorker.enabled, so there would be no route; set one of the two" }}
{{- end }}
{{- if $gateway.shared }}
{{- include "twister2-job.gateway.sharedRules" . }}
{{- end }}
{{- if $gateway.perWorker.enabled }}
{{- include "twister2-job.gateway.workerRules" . }}
{{- else }}
{{- range $key, $value := dict "hostTemplate" $gateway.perWorker.hostTemplate "sectionNameTemplate" $gateway.perWorker.sectionNameTemplate "listenerSet.enabled" $gateway.perWorker.listenerSet.enabled }}
{{- if $value }}
{{ printf "gateway.perWorker.%s: it is set, but gateway.perWorker.enabled is false; set gateway.perWorker.enabled=true or leave gateway.perWorker.%s out" $key $key }}
{{- end }}
{{- end }}
{{- range $name, $own := $gateway.ports }}
{{- range $key := list "hostTemplate" "sectionNameTemplate" }}
{{- if get $own $key }}
{{ printf "gateway.ports.%s.%s: it is set, but gateway.perWorker.enabled is false; set gateway.perWorker.enabled=true or leave it out" $name $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- include "twister2-job.gateway.refRules" . }}
{{- include "twister2-job.gateway.clashes" . }}
{{- range $key := list "portBase" "tls" }}
{{- if and (get $gateway.perWorker.listenerSet $key) (not $gateway.perWorker.listenerSet.enabled) }}
{{ printf "gateway.perWorker.listenerSet.%s: it is set, but gateway.perWorker.listenerSet.enabled is false; set gateway.perWorker.listenerSet.enabled=true or leave it out" $key }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What the CRD of ListenerSets asks of a listener's TLS. Arguments: dict "tls" VALUES "problems" DICT */}}
{{- define "twister2-job.gateway.tlsProblems" -}}
{{- $problems := .problems }}
{{- $path := "gateway.perWorker.listenerSet.tls" }}
{{- $wrong := "" }}
{{- range $key, $kind := dict "certificateRefs" "slice" "options" "map" }}
{{- if hasKey $.tls $key }}
{{- $wrong = print $wrong (include "twister2-job.typed" (dict "value" (get $.tls $key) "kind" $kind "path" (print $path "." $key) "problems" $problems)) }}
{{- end }}
{{- end }}
{{- if not $wrong }}
{{- range $k, $ref := get .tls "certificateRefs" | default list }}
{{- $_ := include "twister2-job.typed" (dict "value" $ref "kind" "map" "path" (printf "%s.certificateRefs[%d]" $path $k) "problems" $problems) }}
{{- end }}
{{- range $name, $value := get .tls "options" | default dict }}
{{- $_ := include "twister2-job.typed" (dict "value" $value "kind" "string" "path" (printf "%s.options.%s" $path $name) "problems" $problems) }}
{{- end }}
{{- range $key, $most := dict "certificateRefs" 64 "options" 16 }}
{{- $count := get $.tls $key | default list | len }}
{{- if gt $count $most }}
{{- $_ := set $problems (printf "%s.%s: a listener has at most %d, and there are %d; leave some out" $path $key $most $count) true }}
{{- end }}
{{- end }}
{{- if and .tls (not (get .tls "certificateRefs")) (not (get .tls "options")) }}
{{- $_ := set $problems (printf "%s: it has neither certificateRefs nor options, and a listener that ends TLS needs one of them; name the Secret with the certificate in %s.certificateRefs[0].name, or leave tls out" $path $path) true }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twister2-job.gateway.sharedRules" -}}
{{- $gateway := .Values.gateway }}
{{- include "twister2-job.oneWorkerAPod" (dict "root" . "switch" "gateway.shared" "reason" "a shared route reaches one port of a pod") }}
{{- $advertised := dict }}
{{- range $port := .Job.exposures.gateway.ports }}
{{- if and (eq .route "TLS") (not .host) }}
{{ printf "gateway.ports.%s.host: a TLS route needs the host that clients name; set gateway.host or gateway.ports.%s.host%s" .name .name (ternary ", or gateway.shared=false" "" $gateway.perWorker.enabled) }}
{{- end }}
{{- with include "twister2-job.noHost" (ternary .host "" .byHost | default "a") }}
{{ printf "gateway.ports.%s.host: it is %s%s; take such a name, or leave it out" $port.name $port.host . }}
{{- end }}
{{- $at := printf "%s %d" .protocol .advertisedPort }}
{{- if and .advertisedPort (not .byHost) }}
{{- if hasKey $advertised $at }}
{{ printf "gateway.ports.%s.advertisedPort: it is %d, as that of port %s; give each its own" .name .advertisedPort (get $advertised $at) }}
{{- end }}
{{- $_ := set $advertised $at .name }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A template without a worker's own name gives all workers one value. Argument: $; says something if pods have one worker. */}}
{{- define "twister2-job.gateway.podIsWorker" -}}
{{- $one := true }}
{{- range .Job.groups }}
{{- $one = and $one (eq .workersPerPod 1) }}
{{- end }}
{{- if $one }}yes{{ end }}
{{- end }}

{{- define "twister2-job.gateway.workerRules" -}}
{{- $gateway := .Values.gateway }}
{{- $set := $gateway.perWorker.listenerSet }}
{{- $row := .Job.exposures.gateway }}
{{- $perWorker := .Job.exposures.perWorker }}
{{- $count := $perWorker.services }}
{{- if not .Values.perWorker.enabled }}
{{ "gateway.perWorker.enabled: its routes lead to the Services of perWorker, and perWorker.enabled is false; set perWorker.enabled=true (with perWorker.type=ClusterIP if nothing else shall open them)" }}
{{- end }}
{{- $served := list }}
{{- range $perWorker.ports }}
{{- $served = append $served .name }}
{{- end }}
{{- $own := ternary "{worker} or {pod}" "{worker}" (ne (include "twister2-job.gateway.podIsWorker" .) "") }}
{{- $differs := ternary "[{](worker|pod)[}]" "[{]worker[}]" (ne (include "twister2-job.gateway.podIsWorker" .) "") }}
{{- $pod := printf "%s-%d" (last .Job.groups).name $count }}
{{- $byHost := false }}
{{- $byListener := false }}
{{- range $port := $row.ports }}
{{- $byHost = or $byHost .byHost }}
{{- $byListener = or $byListener (not .byHost) }}
{{- if not (has .name $served) }}
{{ printf "gateway.ports: port %s is not among perWorker.ports, to whose Services the routes lead; add it there, or name other ports in gateway.ports" .name }}
{{- end }}
{{- if and .byHost (not .hostTemplate) }}
{{ printf "gateway.ports.%s.hostTemplate: %s routes of single workers need a host for each; set gateway.perWorker.hostTemplate, such as worker-{worker}.example.com" .name .route }}
{{- else if .byHost }}
{{- $host := include "twister2-job.placed" (dict "root" $ "id" $count "pod" $pod "text" .hostTemplate) }}
{{- if not (regexMatch $differs .hostTemplate) }}
{{ printf "gateway.ports.%s.hostTemplate: %s is one host for all workers; put %s into it" .name .hostTemplate $own }}
{{- else if include "twister2-job.noHost" $host }}
{{ printf "gateway.ports.%s.hostTemplate: filled in it is %s%s; known are {worker}, {pod}, {job} and {namespace}" .name $host (include "twister2-job.noHost" $host) }}
{{- end }}
{{- if .base }}
{{ printf "gateway.perWorker.listenerSet.portBase.%s: the job's own listeners are for TCP and UDP, and the route of this port is %s; leave it out" .name .route }}
{{- end }}
{{- else if and .base .sectionNameTemplate }}
{{ printf "gateway.perWorker.listenerSet.portBase.%s: sectionNameTemplate names listeners of the Gateway for the same port; leave one of the two out" .name }}
{{- else if not (or .base .sectionNameTemplate .byHost) }}
{{ printf "gateway.ports.%s: %s routes of single workers need a listener for each; set gateway.perWorker.listenerSet.enabled=true and gateway.perWorker.listenerSet.portBase.%s, or gateway.perWorker.sectionNameTemplate if the Gateway has the listeners" .name .route .name }}
{{- end }}
{{- if .sectionNameTemplate }}
{{- $section := include "twister2-job.placed" (dict "root" $ "id" $count "pod" $pod "text" .sectionNameTemplate) }}
{{- if and (not .byHost) (not (regexMatch $differs .sectionNameTemplate)) }}
{{ printf "gateway.ports.%s.sectionNameTemplate: %s is one listener for all workers; put %s into it" .name .sectionNameTemplate $own }}
{{- else if regexMatch "[{}]" $section }}
{{ printf "gateway.ports.%s.sectionNameTemplate: %s holds a placeholder that is not known; known are {worker}, {pod}, {job} and {namespace}" .name .sectionNameTemplate }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $gateway.perWorker.hostTemplate (not $byHost) }}
{{ "gateway.perWorker.hostTemplate: it has no effect, since no port has a route by host; set gateway.ports.NAME.route to HTTP, GRPC or TLS, or leave it out" }}
{{- end }}
{{- if and $gateway.perWorker.sectionNameTemplate $row.ports (not $byListener) }}
{{ "gateway.perWorker.sectionNameTemplate: it has no effect, since every port has a route by host; set gateway.ports.NAME.sectionNameTemplate, or leave it out" }}
{{- end }}
{{- if $set.enabled }}
{{- include "twister2-job.gateway.listenerRules" . }}
{{- end }}
{{- end }}

{{- /*
Several refs of a route to one parent: the CRDs take them if each has a sectionName, and each another one; `port` doesn't
count there. Refs that are the same are written once, and a route to a ListenerSet of the job's own has that alone.
*/}}
{{- define "twister2-job.gateway.refRules" -}}
{{- $gateway := .Values.gateway }}
{{- $row := .Job.exposures.gateway }}
{{- /* Values of the ports whose sectionName stands in the place of the refs' own, and whether a route has the refs as they are. */}}
{{- $placed := list }}
{{- $plain := false }}
{{- range $row.ports }}
{{- $own := and $gateway.perWorker.enabled (not .base) }}
{{- if and .sectionName (or $gateway.shared (and $own (not .sectionNameTemplate))) }}
{{- $placed = append $placed (printf "gateway.ports.%s.sectionName" .name) }}
{{- end }}
{{- if and $own .sectionNameTemplate }}
{{- $placed = append $placed (printf "gateway.ports.%s.sectionNameTemplate" .name) }}
{{- end }}
{{- $plain = or $plain (and (not .sectionName) (or $gateway.shared (and $own (not .sectionNameTemplate)))) }}
{{- end }}
{{- $told := dict }}
{{- range $k, $ref := $row.refs }}
{{- range $j, $other := slice $row.refs 0 $k }}
{{- if eq $ref.parent $other.parent }}
{{- if and $plain (ne (index $gateway.parentRefs $k | toJson) (index $gateway.parentRefs $j | toJson)) }}
{{- $late := ternary $k $j (or (eq $ref.section "") (ne $other.section "")) }}
{{- $early := ternary $j $k (eq $late $k) }}
{{- if and (or (eq $ref.section $other.section) (eq $ref.section "") (eq $other.section "")) (not (hasKey $told (toString $late))) }}
{{- $_ := set $told (toString $late) true }}
{{- if or (eq $ref.section "") (eq $other.section "") }}
{{ printf "gateway.parentRefs[%d].sectionName: it is missing, and gateway.parentRefs[%d] names the same parent, which a route may only do with a listener for each; set it, or leave one of the two out" $late $early }}
{{- else }}
{{ printf "gateway.parentRefs[%d].sectionName: it is %s, as that of gateway.parentRefs[%d], which names the same parent; take another one, or leave one of the two out" $late $ref.section $early }}
{{- end }}
{{- end }}
{{- end }}
{{- if ne $ref.port $other.port }}
{{- range $placed }}
{{- if not (hasKey $told .) }}
{{- $_ := set $told . true }}
{{ printf "%s: with it gateway.parentRefs[%d] and gateway.parentRefs[%d] name one listener of one parent, and differ in port alone, which no route may; leave their ports out, or one of the two" . $j $k }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
Of two routes of one class with one listener and host one gets nothing. `taken` has by class, host and parent the routes by listener;
a route that names none has all of the Gateway, and not those of a ListenerSet.
*/}}
{{- define "twister2-job.gateway.clashes" -}}
{{- $gateway := .Values.gateway }}
{{- $claim := dict "taken" dict "told" dict }}
{{- $refs := .Job.exposures.gateway.refs }}
{{- if $gateway.shared }}
{{- range .Job.exposures.gateway.ports }}
{{- include "twister2-job.gateway.claim" (dict "in" $claim "port" . "of" "" "host" (ternary .host "" .byHost) "section" .sectionName "refs" $refs) }}
{{- end }}
{{- end }}
{{- /* More are refused by perWorker.maxServices, and to go over a million of them first would take half a minute. */}}
{{- if and $gateway.perWorker.enabled .Values.perWorker.enabled (le (int .Job.exposures.perWorker.services) 10000) }}
{{- range $port := .Job.exposures.gateway.ports }}
{{- if and (not .base) (contains "{" (ternary .hostTemplate .sectionNameTemplate .byHost)) }}
{{- $own := dict "in" $claim "port" . "host" "" "section" .sectionName "refs" $refs }}
{{- range $span := $.Job.exposures.perWorker.spans }}
{{- range $id := untilStep .first .end 1 }}
{{- $fill := dict "root" $ "id" $id "pod" (printf "%s-%d" $span.group.name (div (sub $id $span.first) $span.group.workersPerPod)) }}
{{- $_ := set $own "of" (printf " of worker %d" $id) }}
{{- if $port.byHost }}
{{- $_ := set $own "host" (include "twister2-job.placed" (set $fill "text" $port.hostTemplate)) }}
{{- end }}
{{- if $port.sectionNameTemplate }}
{{- $_ := set $own "section" (include "twister2-job.placed" (set $fill "text" $port.sectionNameTemplate)) }}
{{- end }}
{{- include "twister2-job.gateway.claim" $own }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /*
Takes a route's listeners, and says which other route has one; once for two ports, however many workers there are. What a
route itself has taken is no clash: one may lead to several parents and listeners.
Arguments: dict "in" dict of "taken" and "told" "port" PORT "of" WORKER, empty if shared "host" HOST "refs" LIST of the row
"section" in the place of theirs, or empty
*/}}
{{- define "twister2-job.gateway.claim" -}}
{{- $port := .port }}
{{- range .refs }}
{{- $section := $.section | default .section }}
{{- $at := print $port.class " " $.host " " .parent }}
{{- if not (hasKey $.in.taken $at) }}
{{- $_ := set $.in.taken $at dict }}
{{- end }}
{{- $there := get $.in.taken $at }}
{{- $other := get $there $section | default (get $there "") }}
{{- if and (eq $section "") $there (not $other) }}
{{- $other = get $there (keys $there | sortAlpha | first) }}
{{- end }}
{{- if $other }}
{{- $pair := print $port.name " " (eq $.of "") " " $other.port.name " " (eq $other.of "") }}
{{- $same := and (eq $port.name $other.port.name) (eq (eq $.of "") (eq $other.of "")) }}
{{- if not (or $same (hasKey $.in.told $pair)) }}
{{- $_ := set $.in.told $pair true }}
{{- $all := and (eq $other.section "") (ne $section "") }}
{{- $keys := ternary (list "sectionName" "host") (list "sectionNameTemplate" "hostTemplate") (eq $.of "") }}
{{- $fix := ternary $other.port $port (and $all (not $port.byHost)) }}
{{- $key := ternary "sectionName" (first $keys) $all }}
{{- if $port.byHost }}
{{- $key = ternary (last $keys) (join " or " $keys) $all }}
{{- end }}
{{ printf "gateway.ports.%s: its %sRoute%s would have the same listener%s%s as that of port %s%s%s, and one of them nothing; set gateway.ports.%s.%s, or leave one of the two out" $port.name $port.route $.of (ternary "" (print " " $section) (eq $section "")) (ternary (printf " and host %s" $.host | trimSuffix " ") "" $port.byHost) $other.port.name $other.of (ternary ", which names none and so has all" "" $all) $fix.name $key }}
{{- end }}
{{- else }}
{{- $_ := set $there $section (dict "port" $port "of" $.of "section" $section) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twister2-job.gateway.listenerRules" -}}
{{- $gateway := .Values.gateway }}
{{- $set := $gateway.perWorker.listenerSet }}
{{- $row := .Job.exposures.gateway }}
{{- $count := .Job.exposures.perWorker.services }}
{{- if gt (len $row.gateways) 1 }}
{{ printf "gateway.parentRefs: a ListenerSet belongs to one Gateway, and there are %d; leave one, or set gateway.perWorker.listenerSet.enabled=false" (len $row.gateways) }}
{{- end }}
{{- with first $gateway.parentRefs }}
{{- if ne (get . "kind" | default "Gateway") "Gateway" }}
{{ printf "gateway.parentRefs[0].kind: a ListenerSet belongs to a Gateway, and this is a %s; name a Gateway, or set gateway.perWorker.listenerSet.enabled=false" (get . "kind") }}
{{- end }}
{{- end }}
{{- if not $set.portBase }}
{{ "gateway.perWorker.listenerSet.portBase: it is empty, so there would be no listener; give the number of worker 0 by port name, or set gateway.perWorker.listenerSet.enabled=false" }}
{{- end }}
{{- if gt $row.listeners 64 }}
{{ printf "gateway.perWorker.listenerSet.portBase: a ListenerSet has at most 64 listeners, and a worker would need %d; leave some out" $row.listeners }}
{{- end }}
{{- $ports := dict }}
{{- range $row.ports }}
{{- $_ := set $ports .name . }}
{{- end }}
{{- range $name, $base := $set.portBase }}
{{- $path := print "gateway.perWorker.listenerSet.portBase." $name }}
{{- $base := int $base }}
{{- $last := sub (add $base $count) 1 }}
{{- $port := get $ports $name }}
{{- if not $port }}
{{ printf "%s: it is no exposed port; the exposed ports are %s" $path (keys $ports | sortAlpha | join ", ") }}
{{- else if and $set.tls (eq $port.protocol "UDP") }}
{{ printf "%s: port %s is UDP, and gateway.perWorker.listenerSet.tls makes its listeners TLS; leave one of the two out" $path $name }}
{{- end }}
{{- if or (lt $base 1) (gt $last 65535) }}
{{ printf "%s: %d + %d workers ends at %d, above 65535; take %d or lower" $path $base $count $last (sub 65536 $count) }}
{{- end }}
{{- range $other, $start := $set.portBase }}
{{- $start := int $start }}
{{- $mine := get $ports $other }}
{{- if and $port $mine (lt $name $other) (lt $start (int (add $base $count))) (lt $base (int (add $start $count))) }}
{{- if eq $port.protocol $mine.protocol }}
{{ printf "%s: its listeners %d to %d meet those of port %s, %d to %d; take bases %d apart" $path $base $last $other $start (sub (add $start $count) 1) $count }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
