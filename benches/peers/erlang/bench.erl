%% The workloads over distributed Erlang: one node serves, the other one sends and prints what it
%% measured as one line of JSON.
-module(bench).
-export([serve/0, run/1]).

%% erl -noshell -sname served -s bench serve
serve() ->
    register(sink, spawn(fun() -> sink(0, 0, #{}) end)),
    register(echo, spawn(fun echo/0)),
    io:format("~s~n", [node()]),
    %% Gone with its standard input.
    eof = io:get_line(""),
    halt(0).

sink(Received, Reordered, Expected) ->
    receive
        {body, Flow, Number, _Body} ->
            Wrong = case maps:get(Flow, Expected, 0) of Number -> 0; _ -> 1 end,
            sink(Received + 1, Reordered + Wrong, Expected#{Flow => Number + 1});
        {sync, From} ->
            From ! synced,
            sink(Received, Reordered, Expected);
        {count, From} ->
            From ! {counted, Received, Reordered},
            sink(0, 0, #{})
    end.

echo() ->
    receive
        {Ref, From, Body} -> From ! {Ref, Body}, echo()
    end.

%% erl -noshell -sname asking -run bench run served@host requests 64 64 1000
run([Node, Shape, Len, Count, Millis]) ->
    Peer = list_to_atom(Node),
    pong = net_adm:ping(Peer),
    Body = binary:copy(<<16#5a>>, list_to_integer(Len)),
    Until = now_us() + list_to_integer(Millis) * 1000,
    Start = now_us(),
    Many = list_to_integer(Count),
    case Shape of
        "requests" -> requests(Peer, Body, Many, Start, Until);
        "oneway" -> oneway(Peer, Body, Many, Start, Until)
    end,
    halt(0).

now_us() -> erlang:monotonic_time(microsecond).

requests(Peer, Body, InFlight, Start, Until) ->
    Self = self(),
    Callers = [spawn_link(fun() -> Self ! {done, self(), ask(Peer, Body, Until, 0, [])} end)
               || _ <- lists:seq(1, InFlight)],
    Results = [receive {done, Caller, Result} -> Result end || Caller <- Callers],
    Took = now_us() - Start,
    Done = lists:sum([N || {N, _} <- Results]),
    Samples = lists:sublist(lists:append([S || {_, S} <- Results]), 100000),
    print(Done, Took, 0, 0, Samples).

ask(Peer, Body, Until, Done, Samples) ->
    Asked = now_us(),
    case Asked >= Until of
        true -> {Done, Samples};
        false ->
            Ref = make_ref(),
            {echo, Peer} ! {Ref, self(), Body},
            receive {Ref, _} -> ok end,
            Kept = case Done < 20000 of
                true -> [now_us() - Asked | Samples];
                false -> Samples
            end,
            ask(Peer, Body, Until, Done + 1, Kept)
    end.

oneway(Peer, Body, Senders, Start, Until) ->
    Self = self(),
    All = [spawn_link(fun() -> Self ! {sent, self(), send(Peer, Flow, Body, Until, 0)} end)
           || Flow <- lists:seq(1, Senders)],
    Sent = lists:sum([receive {sent, Sender, N} -> N end || Sender <- All]),
    {sink, Peer} ! {count, self()},
    receive {counted, Received, Reordered} -> ok end,
    print(Received, now_us() - Start, Sent - Received, Reordered, []).

send(Peer, Flow, Body, Until, Sent) ->
    case Sent rem 16 =:= 0 andalso now_us() >= Until of
        true ->
            {sink, Peer} ! {sync, self()},
            receive synced -> Sent end;
        false ->
            {sink, Peer} ! {body, Flow, Sent, Body},
            send(Peer, Flow, Body, Until, Sent + 1)
    end.

print(Done, Took, Lost, Reordered, Samples) ->
    io:format("{\"done\":~b,\"took_us\":~b,\"lost\":~b,\"reordered\":~b,\"micros\":~w}~n",
              [Done, Took, Lost, Reordered, Samples]).
