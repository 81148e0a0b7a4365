"""The `.job` file of Twister2, read by the protobuf library in place of the project's own code."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def protobuf():
    """Return the class of tws.proto.job.Job, made from Twister2 0.8.0's field numbers by the protobuf library."""
    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="job.proto", package="tws.proto.job", syntax="proto3")

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for field, number, kind, label in fields:
            one = made.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                one.type, one.type_name = types.TYPE_MESSAGE, f".tws.proto.job.{kind}"
            else:
                one.type = kind

    one, many = types.LABEL_OPTIONAL, types.LABEL_REPEATED
    message(
        "ComputeResource",
        ("cpu", 1, types.TYPE_DOUBLE, one), ("ram_mega_bytes", 2, types.TYPE_INT32, one),
        ("disk_giga_bytes", 3, types.TYPE_DOUBLE, one), ("instances", 4, types.TYPE_INT32, one),
        ("workers_per_pod", 5, types.TYPE_INT32, one), ("scalable", 6, types.TYPE_BOOL, one),
        ("index", 7, types.TYPE_INT32, one),
    )  # fmt: skip
    message("Config")
    message("JobFormat", ("type", 1, types.TYPE_INT32, one), ("job_file", 2, types.TYPE_STRING, one))
    message(
        "Job",
        ("job_name", 1, types.TYPE_STRING, one), ("job_id", 2, types.TYPE_STRING, one),
        ("worker_class_name", 3, types.TYPE_STRING, one), ("driver_class_name", 4, types.TYPE_STRING, one),
        ("number_of_workers", 5, types.TYPE_INT32, one), ("compute_resource", 6, "ComputeResource", many),
        ("config", 7, "Config", one), ("job_format", 8, "JobFormat", one),
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tws.proto.job.Job"))
