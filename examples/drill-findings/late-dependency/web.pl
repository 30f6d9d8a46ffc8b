#!/usr/bin/perl
# It takes a second to start, in which the config server is usually up.
use strict;
use warnings;
use IO::Socket::INET;
sleep 1;
my $port = $ENV{CONFIG_SERVER_PORT};
IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
    or die "no config server at port $port: $!\n";
sleep 1 while 1;
