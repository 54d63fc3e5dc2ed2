// The headers in C++.
#include <plugbus_test.h>

#include <string>

int main() {
    PLUGBUS_CHECK(plugbus_test_start("{}") == nullptr);
    std::string data = "{\"n\": [1, 2]}";
    plugbus_result result = plugbus_test_send("a.b", data.c_str());
    PLUGBUS_CHECK(result.outcome == PLUGBUS_REPLIED);
    PLUGBUS_CHECK(std::string(result.text.ptr, result.text.len) == data);
    return 0;
}
