// A server of grpc++ that answers every call with the same message: what gRPC's own library costs, and nothing
// of a feature store. The callback API, which grpc++ recommends, on bytes: nothing is parsed or made.
//
//     constant REPLY      prints "ready PORT"; REPLY is a file with the bytes of one message
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

namespace {

// One call: takes its message, sends the reply.
class Call : public grpc::ServerGenericBidiReactor {
public:
    explicit Call(const grpc::ByteBuffer &reply) : reply_(reply) { StartRead(&request_); }

private:
    void OnReadDone(bool is_good) override
    {
        if (is_good)
            StartWriteAndFinish(&reply_, grpc::WriteOptions(), grpc::Status::OK);
        else
            Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the call has no message"));
    }

    void OnDone() override { delete this; }

    grpc::ByteBuffer request_;
    grpc::ByteBuffer reply_;
};

class Constant : public grpc::CallbackGenericService {
public:
    explicit Constant(const std::string &reply)
    {
        grpc::Slice slice(reply);
        reply_ = grpc::ByteBuffer(&slice, 1);
    }

private:
    grpc::ServerGenericBidiReactor *CreateReactor(grpc::GenericCallbackServerContext *) override
    {
        return new Call(reply_);
    }

    grpc::ByteBuffer reply_;
};

}  // namespace

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: constant REPLY\n");
        return 2;
    }
    std::ifstream file(argv[1], std::ios::binary);
    std::string reply((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (reply.empty()) {
        std::fprintf(stderr, "constant: %s has no reply\n", argv[1]);
        return 1;
    }
    int port = 0;
    Constant service(reply);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr)
        return 1;
    std::printf("ready %d\n", port);
    std::fflush(stdout);
    server->Wait();
    return 0;
}
