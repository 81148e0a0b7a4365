module twister2-job/devcluster/pause

go 1.26.0
