"""Routes of matchmaking and of human rooms, below /api/v1/."""

from django.urls import path

from chatify.matchmaking.api import connecting, rooms, tickets

urlpatterns = [
    path("sessions/connect/", connecting.Connect.as_view(), name="session-connect"),
    path("match/tickets/", tickets.MatchTicketList.as_view(), name="match-ticket-list"),
    path("match/tickets/<uuid:ticket_id>/", tickets.MatchTicketDetail.as_view(), name="match-ticket-detail"),
    path("match/tickets/<uuid:ticket_id>/heartbeat/", tickets.MatchHeartbeat.as_view(), name="match-ticket-heartbeat"),
    path("match/tickets/<uuid:ticket_id>/accept/", tickets.AcceptProposal.as_view(), name="match-ticket-accept"),
    path("match/tickets/<uuid:ticket_id>/stay/", tickets.StayWithPersonality.as_view(), name="match-ticket-stay"),
    path("match/tickets/<uuid:ticket_id>/ticket/", tickets.MatchSocketTicket.as_view(), name="match-ticket-ticket"),
    path("match/blocks/", rooms.BlockList.as_view(), name="block-list"),
    path("match/blocks/<uuid:block_id>/", rooms.BlockDetail.as_view(), name="block-detail"),
    path("sessions/<uuid:chat_session_id>/leave/", rooms.LeaveRoom.as_view(), name="session-leave"),
    path("sessions/<uuid:chat_session_id>/block/", rooms.BlockPartner.as_view(), name="session-block"),
    path("sessions/<uuid:chat_session_id>/report/", rooms.ReportPartner.as_view(), name="session-report"),
]
