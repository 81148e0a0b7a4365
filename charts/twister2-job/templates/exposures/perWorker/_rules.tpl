{{- /* The rules of `perWorker`; see ../_table.tpl and _validate.tpl. */}}

{{- define "twister2-job.perWorker.counts" -}}
{{- $perWorker := .Values.perWorker }}
{{- if or (lt (int $perWorker.count) 0) (gt (int $perWorker.count) 10000) }}
{{ printf "perWorker.count: it is %d; the chart makes at most 10000 Services" (int $perWorker.count) }}
{{- end }}
{{- if gt (int $perWorker.maxServices) 10000 }}
{{ printf "perWorker.maxServices: it is %d; the chart makes at most 10000 Services" (int $perWorker.maxServices) }}
{{- end }}
{{- end }}

{{- define "twister2-job.perWorker.rules" -}}
{{- $perWorker := .Values.perWorker }}
{{- if eq $perWorker.type "ClusterIP" }}
{{- if $perWorker.nodePortBase }}
{{ "perWorker.nodePortBase: it has no effect with perWorker.type=ClusterIP, which has no node ports; leave it out or set perWorker.type=NodePort" }}
{{- end }}
{{- range $id, $own := $perWorker.overrides }}
{{- if $own.nodePorts }}
{{ printf "perWorker.overrides.%s.nodePorts: it has no effect with perWorker.type=ClusterIP, which has no node ports; leave it out or set perWorker.type=NodePort" $id }}
{{- end }}
{{- end }}
{{- if ne $perWorker.externalTrafficPolicy "Cluster" }}
{{ "perWorker.externalTrafficPolicy: Local has no effect with perWorker.type=ClusterIP, which nothing outside reaches; leave it out or set perWorker.type=NodePort" }}
{{- end }}
{{- end }}
{{- include "twister2-job.perWorker.loadBalancer" . }}
{{- range $id, $own := $perWorker.overrides }}
{{- if and (int ($own.advertisedPort | default 0)) (not ($own.advertisedHost | default $perWorker.hostTemplate)) }}
{{ printf "perWorker.overrides.%s.advertisedPort: it has no effect without a host; set perWorker.overrides.%s.advertisedHost or perWorker.hostTemplate" $id $id }}
{{- end }}
{{- end }}
{{- $sample := include "twister2-job.placed" (dict "root" . "id" 0 "pod" "pod" "text" $perWorker.hostTemplate) }}
{{- if regexMatch "[{}]" $sample }}
{{ printf "perWorker.hostTemplate: %s holds a placeholder that is not known; known are {worker}, {pod}, {job} and {namespace}" $perWorker.hostTemplate }}
{{- end }}
{{- $count := .Job.exposures.perWorker.services }}
{{- $costs := and (eq $perWorker.type "LoadBalancer") (not $perWorker.loadBalancer.shareAddress) }}
{{- /* 64 was the default once, and --reuse-values brings it: nobody asked for so many load balancers. */}}
{{- $old := and $costs (eq (int $perWorker.maxServices) 64) }}
{{- $most := ternary 0 (int $perWorker.maxServices) $old | default (ternary 16 64 $costs) }}
{{- if and (gt $count $most) $costs }}
{{ printf "perWorker: it would make %d load balancers, each of which may cost money, more than perWorker.maxServices=%d%s; take a way in that needs one address (perWorker.loadBalancer.shareAddress, gateway, ingress) or none (perWorker.type=NodePort), raise perWorker.maxServices, or expose fewer workers with perWorker.count" $count $most (ternary " (64, the default of older charts, counts as not set)" "" $old) }}
{{- else if gt $count $most }}
{{ printf "perWorker: it would make %d Services, more than perWorker.maxServices=%d; raise perWorker.maxServices, or expose fewer workers with perWorker.count" $count $most }}
{{- end }}
{{- if and $perWorker.advertisedPortBase (not $perWorker.hostTemplate) }}
{{ "perWorker.advertisedPortBase: it has no effect without a host; set perWorker.hostTemplate too" }}
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
{{ printf "%s.%s: filled in it is %s, and a label has at most 63 letters, digits, -, _ and .; known are {worker}, {pod}, {job} and {namespace}" $path $key $placed }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key := list "servicePortBase" "advertisedPortBase" }}
{{- range $name, $base := get $perWorker $key }}
{{- $last := sub (add (int $base) $count) 1 }}
{{- if gt $last 65535 }}
{{ printf "perWorker.%s.%s: %d + %d workers ends at %d, above 65535; take %d or lower" $key $name (int $base) $count $last (sub 65536 $count) }}
{{- end }}
{{- end }}
{{- end }}
{{- $numbers := dict }}
{{- $protocols := dict }}
{{- range .Job.exposures.perWorker.ports }}
{{- $_ := set $protocols .name .protocol }}
{{- if hasKey $perWorker.servicePortBase .name }}
{{- $_ := set $numbers .name (int (get $perWorker.servicePortBase .name)) }}
{{- else }}
{{- /* Without a base the Service port is the same for every worker, so it may meet a base anywhere on its way. */}}
{{- $_ := set $numbers .name .number }}
{{- end }}
{{- end }}
{{- range $name, $base := $perWorker.servicePortBase }}
{{- range $other, $number := $numbers }}
{{- $apart := ternary $count 1 $perWorker.loadBalancer.shareAddress | int }}
{{- $same := ternary (and (le (int $base) $number) (lt $number (add (int $base) $apart | int))) (and (ge $number (int $base)) (lt $number (int (add (int $base) $count)))) (hasKey $perWorker.servicePortBase $other) }}
{{- if and (ne $name $other) $same (eq (get $protocols $name) (get $protocols $other)) }}
{{ printf "perWorker.servicePortBase.%s: port %s of %s would have the same number and protocol; take another base" $name $other (ternary "the same address" "the same Service" $perWorker.loadBalancer.shareAddress) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twister2-job.perWorker.nodePorts" -}}
{{- $perWorker := .root.Values.perWorker }}
{{- if ne $perWorker.type "ClusterIP" }}
{{- $claims := .claims }}
{{- $low := $claims.low }}
{{- $high := $claims.high }}
{{- $count := .root.Job.exposures.perWorker.services }}
{{- $ports := .root.Job.exposures.perWorker.ports }}
{{- $span := add1 (sub $high $low) }}
{{- if and (gt (mul $count (len $ports)) $span) (or (eq $perWorker.type "NodePort") $perWorker.loadBalancer.allocateNodePorts) }}
{{ printf "perWorker: %d Services with %d ports each need more node ports than the %d of the cluster (nodePort.range); expose fewer with perWorker.count or perWorker.ports" $count (len $ports) $span }}
{{- end }}
{{- range $name, $base := $perWorker.nodePortBase }}
{{- $last := sub (add (int $base) $count) 1 }}
{{- if or (lt (int $base) $low) (gt $last $high) }}
{{ printf "perWorker.nodePortBase.%s: %d + %d workers goes from %d to %d, outside the cluster's node ports %d-%d (nodePort.range); take a base from %d to %d" $name (int $base) $count (int $base) $last $low $high $low (sub (add1 $high) $count) }}
{{- end }}
{{- end }}
{{- range $port := $ports }}
{{- $base := int (get $perWorker.nodePortBase $port.name | default 0) }}
{{- $servicePort := int (ternary (get $perWorker.servicePortBase $port.name) $port.number (hasKey $perWorker.servicePortBase $port.name)) }}
{{- range $id := until (ternary $count 0 (and (le $count 10000) (or (gt $base 0) (gt (len $perWorker.overrides) 0)))) }}
{{- $own := (get $perWorker.overrides (toString $id) | default dict).nodePorts | default dict }}
{{- $fixed := hasKey $own $port.name }}
{{- if or $fixed $base }}
{{- $one := dict "service" (printf "%d:%d" $id $servicePort) "protocol" $port.protocol }}
{{- if $fixed }}
{{- $_ := set $one "path" (printf "perWorker.overrides.%d.nodePorts.%s" $id $port.name) }}
{{- $_ := set $one "number" (int (get $own $port.name)) }}
{{- else }}
{{- $_ := set $one "path" (printf "perWorker.nodePortBase.%s (worker %d)" $port.name $id) }}
{{- $_ := set $one "number" (int (add $base $id)) }}
{{- $_ := set $one "base" true }}
{{- end }}
{{- /* No template is called for a port of a base that nobody has: there may be thousands. */}}
{{- $number := toString $one.number }}
{{- if or $fixed (hasKey $claims.claimed $number) }}
{{- include "twister2-job.claimNodePort" (dict "claims" $claims "one" $one) }}
{{- else }}
{{- $_ := set $claims.claimed $number $one }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
