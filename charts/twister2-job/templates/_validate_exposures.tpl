{{- /* The rules of the exposures that the schema can't say; see _validate.tpl. */}}

{{- define "twister2-job.validate.perWorker" -}}
{{- $problems := list }}
{{- $perWorker := .Values.perWorker }}
{{- if $perWorker.enabled }}
{{- if eq $perWorker.type "ClusterIP" }}
{{- range $key := list "nodePortBase" }}
{{- if index $perWorker $key }}
{{- $problems = append $problems (printf "perWorker.%s: it has no effect with perWorker.type=ClusterIP, which has no node ports; leave it out or set perWorker.type=NodePort" $key) }}
{{- end }}
{{- end }}
{{- range $id, $own := $perWorker.overrides }}
{{- if $own.nodePorts }}
{{- $problems = append $problems (printf "perWorker.overrides.%s.nodePorts: it has no effect with perWorker.type=ClusterIP, which has no node ports; leave it out or set perWorker.type=NodePort" $id) }}
{{- end }}
{{- end }}
{{- if ne $perWorker.externalTrafficPolicy "Cluster" }}
{{- $problems = append $problems "perWorker.externalTrafficPolicy: Local has no effect with perWorker.type=ClusterIP, which nothing outside reaches; leave it out or set perWorker.type=NodePort" }}
{{- end }}
{{- end }}
{{- range $id, $own := $perWorker.overrides }}
{{- if and (int ($own.advertisedPort | default 0)) (not ($own.advertisedHost | default $perWorker.hostTemplate)) }}
{{- $problems = append $problems (printf "perWorker.overrides.%s.advertisedPort: it has no effect without a host; set perWorker.overrides.%s.advertisedHost or perWorker.hostTemplate" $id $id) }}
{{- end }}
{{- end }}
{{- $sample := include "twister2-job.placed" (dict "root" . "id" 0 "pod" "pod" "text" $perWorker.hostTemplate) }}
{{- if regexMatch "[{}]" $sample }}
{{- $problems = append $problems (printf "perWorker.hostTemplate: %s holds a placeholder that is not known; known are {worker}, {pod}, {job} and {namespace}" $perWorker.hostTemplate) }}
{{- end }}
{{- $count := .Job.services }}
{{- if gt $count (int $perWorker.maxServices) }}
{{- $problems = append $problems (printf "perWorker: it would make %d Services, more than perWorker.maxServices=%d; raise perWorker.maxServices, or expose fewer workers with perWorker.count" $count (int $perWorker.maxServices)) }}
{{- end }}
{{- if and $perWorker.advertisedPortBase (not $perWorker.hostTemplate) }}
{{- $problems = append $problems "perWorker.advertisedPortBase: it has no effect without a host; set perWorker.hostTemplate too" }}
{{- end }}
{{- $lists := dict "perWorker.labels" (list (sub $count 1) $perWorker.labels) }}
{{- range $id, $own := $perWorker.overrides }}
{{- $_ := set $lists (printf "perWorker.overrides.%s.labels" $id) (list (int $id) ($own.labels | default dict)) }}
{{- end }}
{{- range $path, $pair := $lists }}
{{- $pod := printf "%s-%d" (last $.Job.groups).name (first $pair) }}
{{- range $key, $text := last $pair }}
{{- $placed := include "twister2-job.placed" (dict "root" $ "id" (first $pair) "pod" $pod "text" $text) }}
{{- if not (regexMatch "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$" $placed) }}
{{- $problems = append $problems (printf "%s.%s: filled in it is %s, and a label has at most 63 letters, digits, -, _ and .; known are {worker}, {pod}, {job} and {namespace}" $path $key $placed) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key := list "servicePortBase" "advertisedPortBase" }}
{{- range $name, $base := get $perWorker $key }}
{{- $last := sub (add (int $base) $count) 1 }}
{{- if gt $last 65535 }}
{{- $problems = append $problems (printf "perWorker.%s.%s: %d + %d workers ends at %d, above 65535; take %d or lower" $key $name (int $base) $count $last (sub 65536 $count)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $numbers := dict }}
{{- $protocols := dict }}
{{- range (include "twister2-job.exposedPorts" (dict "root" . "exposure" $perWorker) | fromJson).ports }}
{{- $_ := set $protocols .name .protocol }}
{{- if hasKey $perWorker.servicePortBase .name }}
{{- $_ := set $numbers .name (int (get $perWorker.servicePortBase .name)) }}
{{- else }}
{{- /* Without a base the Service port is the same for every worker, so it may meet a base anywhere on its way. */}}
{{- $_ := set $numbers .name (int (include "twister2-job.portNumber" (dict "root" $ "container" 0 "port" .))) }}
{{- end }}
{{- end }}
{{- range $name, $base := $perWorker.servicePortBase }}
{{- range $other, $number := $numbers }}
{{- $same := ternary (eq (int $base) $number) (and (ge $number (int $base)) (lt $number (int (add (int $base) $count)))) (hasKey $perWorker.servicePortBase $other) }}
{{- if and (ne $name $other) $same (eq (get $protocols $name) (get $protocols $other)) }}
{{- $problems = append $problems (printf "perWorker.servicePortBase.%s: port %s of the same Service would have the same number and protocol; take another base" $name $other) }}
{{- end }}
{{- end }}
{{- end }}
{{- else }}
{{- range $key := list "ports" "count" "nodePortBase" "servicePortBase" "hostTemplate" "advertisedPortBase" "overrides" }}
{{- if index $perWorker $key }}
{{- $problems = append $problems (printf "perWorker.%s: it is set, but perWorker.enabled is false; set perWorker.enabled=true or leave perWorker.%s out" $key $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- define "twister2-job.validate.exposedPorts" -}}
{{- $problems := list }}
{{- $names := list }}
{{- range .Job.ports }}
{{- $names = append $names .name }}
{{- end }}
{{- range $block := list "nodePort" "perWorker" }}
{{- $exposure := index $.Values $block }}
{{- if $exposure.enabled }}
{{- range $k, $name := $exposure.ports }}
{{- if not (has $name $names) }}
{{- $problems = append $problems (printf "%s.ports[%d]: the workers have no port %s; take names out of %s" $block $k $name (join ", " $names)) }}
{{- end }}
{{- end }}
{{- $exposed := list }}
{{- range (include "twister2-job.exposedPorts" (dict "root" $ "exposure" $exposure) | fromJson).ports }}
{{- $exposed = append $exposed .name }}
{{- end }}
{{- $maps := dict }}
{{- range $key := list "nodePorts" "nodePortBase" "servicePortBase" "advertisedPortBase" }}
{{- $_ := set $maps $key (get $exposure $key | default dict) }}
{{- end }}
{{- range $id, $own := $exposure.overrides | default dict }}
{{- $_ := set $maps (printf "overrides.%s.nodePorts" $id) ($own.nodePorts | default dict) }}
{{- end }}
{{- range $key, $map := $maps }}
{{- range $name, $_ := $map }}
{{- if not (has $name $exposed) }}
{{- $problems = append $problems (printf "%s.%s.%s: it is no exposed port; the exposed ports are %s" $block $key $name (join ", " $exposed)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- /* All fixed node ports of the release: each inside the cluster's range, and none given twice. */}}
{{- define "twister2-job.validate.nodePortNumbers" -}}
{{- $problems := list }}
{{- $nodePort := .Values.nodePort }}
{{- $perWorker := .Values.perWorker }}
{{- $low := int $nodePort.range.min }}
{{- $high := int $nodePort.range.max }}
{{- if gt $low $high }}
{{- $problems = append $problems (printf "nodePort.range: min %d is above max %d; give the range of the cluster's API server" $low $high) }}
{{- end }}
{{- /* Each fixed node port by its path; `service` is the same for what may share a number if the protocols differ. */}}
{{- $first := (include "twister2-job.exposedPorts" (dict "root" . "exposure" $nodePort) | fromJson).ports | first | default dict }}
{{- $wanted := list }}
{{- if $nodePort.enabled }}
{{- if int $nodePort.port }}
{{- $wanted = append $wanted (dict "path" "nodePort.port" "number" (int $nodePort.port)) }}
{{- if hasKey $nodePort.nodePorts ($first.name | default "") }}
{{- $problems = append $problems (printf "nodePort.nodePorts.%s: nodePort.port gives the node port of this port already; set one of the two" $first.name) }}
{{- end }}
{{- end }}
{{- range $name, $number := $nodePort.nodePorts }}
{{- $wanted = append $wanted (dict "path" (printf "nodePort.nodePorts.%s" $name) "number" (int $number)) }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range $wanted }}
{{- $problems = concat $problems (include "twister2-job.nodePortProblems" (dict "one" . "seen" $seen "low" $low "high" $high) | fromJsonArray) }}
{{- end }}
{{- if and $perWorker.enabled (eq $perWorker.type "NodePort") }}
{{- $count := .Job.services }}
{{- $ports := (include "twister2-job.exposedPorts" (dict "root" . "exposure" $perWorker) | fromJson).ports }}
{{- $span := add1 (sub $high $low) }}
{{- if gt (mul $count (len $ports)) $span }}
{{- $problems = append $problems (printf "perWorker: %d Services with %d ports each need more node ports than the %d of the cluster (nodePort.range); expose fewer with perWorker.count or perWorker.ports" $count (len $ports) $span) }}
{{- end }}
{{- range $name, $base := $perWorker.nodePortBase }}
{{- $last := sub (add (int $base) $count) 1 }}
{{- if or (lt (int $base) $low) (gt $last $high) }}
{{- $problems = append $problems (printf "perWorker.nodePortBase.%s: %d + %d workers goes from %d to %d, outside the cluster's node ports %d-%d (nodePort.range); take a base from %d to %d" $name (int $base) $count (int $base) $last $low $high $low (sub (add1 $high) $count)) }}
{{- end }}
{{- end }}
{{- range $port := $ports }}
{{- $base := int (get $perWorker.nodePortBase $port.name | default 0) }}
{{- $servicePort := include "twister2-job.portNumber" (dict "root" $ "container" 0 "port" $port) }}
{{- if hasKey $perWorker.servicePortBase $port.name }}
{{- $servicePort = int (get $perWorker.servicePortBase $port.name) | toString }}
{{- end }}
{{- range $id := until (ternary $count 0 (and (le $count 10000) (or (gt $base 0) (gt (len $perWorker.overrides) 0)))) }}
{{- $own := (get $perWorker.overrides (toString $id) | default dict).nodePorts | default dict }}
{{- $one := dict "service" (printf "%d:%s" $id $servicePort) "protocol" $port.protocol }}
{{- if hasKey $own $port.name }}
{{- $_ := set $one "path" (printf "perWorker.overrides.%d.nodePorts.%s" $id $port.name) }}
{{- $_ := set $one "number" (int (get $own $port.name)) }}
{{- else if $base }}
{{- $_ := set $one "path" (printf "perWorker.nodePortBase.%s (worker %d)" $port.name $id) }}
{{- $_ := set $one "number" (int (add $base $id)) }}
{{- $_ := set $one "base" true }}
{{- end }}
{{- if $one.path }}
{{- $other := get $seen (toString $one.number) }}
{{- if and $one.base (not $other) }}
{{- $_ := set $seen (toString $one.number) $one }}
{{- else }}
{{- $problems = concat $problems (include "twister2-job.nodePortProblems" (dict "one" $one "seen" $seen "low" $low "high" $high) | fromJsonArray) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- /*
What is wrong with one fixed node port, as a JSON list; those of a base are told once, by the base. One port of a Service
may have two protocols, and then one node port for both.
Arguments: dict "one" PORT "seen" DICT of ports by number "low" and "high" of the cluster's range
*/}}
{{- define "twister2-job.nodePortProblems" -}}
{{- $problems := list }}
{{- $one := .one }}
{{- if and (not $one.base) (or (lt $one.number .low) (gt $one.number .high)) }}
{{- $problems = append $problems (printf "%s: %d is outside the cluster's node ports %d-%d (nodePort.range); take one of these, or leave it out for a free one" $one.path $one.number .low .high) }}
{{- end }}
{{- $other := get .seen (toString $one.number) }}
{{- if not $other }}
{{- $_ := set .seen (toString $one.number) $one }}
{{- else if not (and $one.service (eq $one.service ($other.service | default "")) (ne $one.protocol $other.protocol)) }}
{{- $problems = append $problems (printf "%s: node port %d is given to %s too; give each port its own" $one.path $one.number $other.path) }}
{{- end }}
{{- toJson $problems }}
{{- end }}

{{- define "twister2-job.validate.networkPolicy" -}}
{{- $problems := list }}
{{- $egress := .Values.networkPolicy.egress }}
{{- if and $egress.enabled (not .Values.networkPolicy.enabled) }}
{{- $problems = append $problems "networkPolicy.egress.enabled: it is true, but networkPolicy.enabled is false; set networkPolicy.enabled=true or leave networkPolicy.egress out" }}
{{- end }}
{{- range $key := list "rules" "apiServerCidrs" }}
{{- if and (index $egress $key) (not $egress.enabled) }}
{{- $problems = append $problems (printf "networkPolicy.egress.%s: it is set, but networkPolicy.egress.enabled is false; set networkPolicy.egress.enabled=true or leave networkPolicy.egress.%s out" $key $key) }}
{{- end }}
{{- end }}
{{- range $k, $rule := $egress.rules }}
{{- /* Kubernetes takes an empty list for all peers or all ports, and so an empty port. */}}
{{- range $key, $list := $rule }}
{{- $path := printf "networkPolicy.egress.rules[%d].%s" $k $key }}
{{- if not (has $key (list "ports" "to")) }}
{{- $problems = append $problems (printf "%s: a rule has no such key, and Kubernetes would let the pods connect to everything; name peers in `to` or ports in `ports`" $path) }}
{{- else if not (and (kindIs "slice" $list) $list) }}
{{- $problems = append $problems (printf "%s: it is empty or no list, which Kubernetes takes for all %s; name some, or leave %s out" $path (ternary "peers" "ports" (eq $key "to")) $key) }}
{{- else if ne (len $list) (len (compact $list)) }}
{{- $problems = append $problems (printf "%s: an entry is empty, which names nothing; fill it in or leave it out" $path) }}
{{- end }}
{{- end }}
{{- if not $rule }}
{{- $problems = append $problems (printf "networkPolicy.egress.rules[%d]: it is empty, which would let the pods connect to everything; name peers or ports in it, or set networkPolicy.egress.enabled=false" $k) }}
{{- end }}
{{- end }}
{{- if and $egress.enabled (eq .Job.mode "twister2") (not $egress.apiServerPorts) }}
{{- $problems = append $problems "networkPolicy.egress.apiServerPorts: it is empty, and a Twister2 job needs the API server; name its ports, such as 443 and 6443, or leave networkPolicy.egress.apiServerPorts out" }}
{{- end }}
{{- range $k, $port := $egress.apiServerPorts }}
{{- if or (lt (float64 $port) 1.0) (gt (float64 $port) 65535.0) (ne (floor $port) (float64 $port)) }}
{{- $problems = append $problems (printf "networkPolicy.egress.apiServerPorts[%d]: %v is no port; take one from 1 to 65535" $k $port) }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled .Values.networkPolicy.allowFrom }}
{{- range $block := list "nodePort" "perWorker" }}
{{- $exposure := index $.Values $block }}
{{- if and $exposure.enabled (eq ($exposure.type | default "NodePort") "NodePort") (ne $exposure.externalTrafficPolicy "Local") }}
{{- $problems = append $problems (printf "networkPolicy.allowFrom: with %s.externalTrafficPolicy=Cluster the nodes put their own address in the place of the client's, so no CIDR can tell clients apart; set %s.externalTrafficPolicy=Local or leave allowFrom out" $block $block) }}
{{- end }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}
