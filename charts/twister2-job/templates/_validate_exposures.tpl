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
{{- $sample := include "twister2-job.perWorkerHost" (dict "root" . "worker" (dict "id" 0 "pod" "pod")) }}
{{- if regexMatch "[{}]" $sample }}
{{- $problems = append $problems (printf "perWorker.hostTemplate: %s holds a placeholder that is not known; known are {worker}, {pod}, {job} and {namespace}" $perWorker.hostTemplate) }}
{{- end }}
{{- $workers := (include "twister2-job.perWorkerTable" . | fromJson).workers }}
{{- $count := len $workers }}
{{- if gt $count (int $perWorker.maxServices) }}
{{- $problems = append $problems (printf "perWorker: it would make %d Services, more than perWorker.maxServices=%d; raise perWorker.maxServices, or expose fewer workers with perWorker.count" $count (int $perWorker.maxServices)) }}
{{- end }}
{{- range $name, $base := $perWorker.servicePortBase }}
{{- $last := sub (add (int $base) $count) 1 }}
{{- if gt $last 65535 }}
{{- $problems = append $problems (printf "perWorker.servicePortBase.%s: %d + %d workers ends at %d, above 65535; take %d or lower" $name (int $base) $count $last (sub 65536 $count)) }}
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
{{- range $key := list "ports" "count" "nodePortBase" "servicePortBase" "hostTemplate" "overrides" }}
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
{{- range (include "twister2-job.ports" . | fromJson).ports }}
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
{{- range $key := list "nodePorts" "nodePortBase" "servicePortBase" }}
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
{{- /* Path and number of each fixed node port. The wrong ones of a base are told once, by the base. */}}
{{- $wanted := list }}
{{- if $nodePort.enabled }}
{{- if int $nodePort.port }}
{{- $wanted = append $wanted (dict "path" "nodePort.port" "number" (int $nodePort.port)) }}
{{- end }}
{{- $first := dict }}
{{- with (include "twister2-job.exposedPorts" (dict "root" . "exposure" $nodePort) | fromJson).ports }}
{{- $first = first . }}
{{- end }}
{{- range $name, $number := $nodePort.nodePorts }}
{{- $wanted = append $wanted (dict "path" (printf "nodePort.nodePorts.%s" $name) "number" (int $number)) }}
{{- if and (int $nodePort.port) (eq $name ($first.name | default "")) }}
{{- $problems = append $problems (printf "nodePort.nodePorts.%s: nodePort.port gives the node port of this port already; set one of the two" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $perWorker.enabled (eq $perWorker.type "NodePort") }}
{{- $workers := (include "twister2-job.perWorkerTable" . | fromJson).workers }}
{{- $ports := (include "twister2-job.exposedPorts" (dict "root" . "exposure" $perWorker) | fromJson).ports }}
{{- $span := add1 (sub $high $low) }}
{{- if gt (mul (len $workers) (len $ports)) $span }}
{{- $problems = append $problems (printf "perWorker: %d Services with %d ports each need more node ports than the %d of the cluster (nodePort.range); expose fewer with perWorker.count or perWorker.ports" (len $workers) (len $ports) $span) }}
{{- end }}
{{- range $name, $base := $perWorker.nodePortBase }}
{{- $last := sub (add (int $base) (len $workers)) 1 }}
{{- if or (lt (int $base) $low) (gt $last $high) }}
{{- $problems = append $problems (printf "perWorker.nodePortBase.%s: %d + %d workers goes from %d to %d, outside the cluster's node ports %d-%d (nodePort.range); take a base from %d to %d" $name (int $base) (len $workers) (int $base) $last $low $high $low (sub (add1 $high) (len $workers))) }}
{{- end }}
{{- end }}
{{- if or $perWorker.nodePortBase $perWorker.overrides }}
{{- range $worker := $workers }}
{{- $own := get $perWorker.overrides (toString $worker.id) | default dict }}
{{- range $port := $ports }}
{{- $number := int (include "twister2-job.perWorkerNodePort" (dict "perWorker" $perWorker "own" $own "id" $worker.id "port" $port.name)) }}
{{- $base := get $perWorker.servicePortBase $port.name | default $port.name }}
{{- $service := dict "number" $number "service" (printf "%v %v" $worker.id $base) "protocol" $port.protocol }}
{{- if hasKey ($own.nodePorts | default dict) $port.name }}
{{- $wanted = append $wanted (merge (dict "path" (printf "perWorker.overrides.%d.nodePorts.%s" (int $worker.id) $port.name)) $service) }}
{{- else if $number }}
{{- $wanted = append $wanted (merge (dict "path" (printf "perWorker.nodePortBase.%s (worker %d)" $port.name (int $worker.id)) "base" true) $service) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range $wanted }}
{{- if and (not .base) (or (lt .number $low) (gt .number $high)) }}
{{- $problems = append $problems (printf "%s: %d is outside the cluster's node ports %d-%d (nodePort.range); take one of these, or leave it out for a free one" .path .number $low $high) }}
{{- end }}
{{- $other := get $seen (toString .number) }}
{{- if not $other }}
{{- $_ := set $seen (toString .number) . }}
{{- /* One port of a Service may have two protocols, and then one node port for both. */}}
{{- else if not (and .service (eq .service ($other.service | default "")) (ne .protocol $other.protocol)) }}
{{- $problems = append $problems (printf "%s: node port %d is given to %s too; give each port its own" .path .number $other.path) }}
{{- end }}
{{- end }}
{{- dict "problems" $problems | toJson }}
{{- end }}

{{- define "twister2-job.validate.networkPolicy" -}}
{{- $problems := list }}
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
