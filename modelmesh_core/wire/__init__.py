"""What travels: requests, replies, usage, stream events, and HTTP without sockets."""
